package codec

import "embed"

// Library is one that is inside the modules.
type Library struct {
	Name, Version string
	Licence       string // its SPDX identifier
	Text          string // of the licence
}

//go:embed licences
var licences embed.FS

// Libraries are what the modules are built from, with wasm/build.sh. Who builds
// anew writes the versions here.
func Libraries() []Library {
	libraries := []Library{
		{Name: "libjpeg-turbo", Version: "3.1.3", Licence: "IJG AND BSD-3-Clause"},
		{Name: "libpng", Version: "1.6.58", Licence: "libpng-2.0"},
		{Name: "zlib", Version: "1.3.2", Licence: "Zlib"},
		{Name: "libwebp", Version: "1.6.0", Licence: "BSD-3-Clause"},
		{Name: "lcms2", Version: "2.19.1", Licence: "MIT"},
		{Name: "libheif", Version: "1.15.1-1+deb12u1", Licence: "LGPL-3.0-or-later"},
		{Name: "libde265", Version: "1.1.3", Licence: "LGPL-3.0-or-later"},
		{Name: "dav1d", Version: "1.5.4", Licence: "BSD-2-Clause"},
	}
	for i := range libraries {
		text, err := licences.ReadFile("licences/" + libraries[i].Name + ".txt")
		if err != nil {
			panic(err) // the program was built without it
		}
		libraries[i].Text = string(text)
	}
	return libraries
}
