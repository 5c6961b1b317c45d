package pages

import (
	"os"
	"testing"
	"testing/fstest"
)

func TestTextInHandlersIsFound(t *testing.T) {
	for script, found := range map[string]bool{
		"x.innerHTML = `<img onclick=\"zoom('${caption}')\">`":                           true,
		"x.innerHTML = `<img onclick=\"zoom('${s.id}', '${s.caption}')\">`":              true,
		"x.innerHTML = `<a onmouseover=\"tip('${escapeHtml(entry.name)}')\">`":           true,
		"x.innerHTML = '<a onclick=\"call(\\'' + s.phone + '\\')\">'":                    true,
		"b.setAttribute('onclick', \"zoom('\" + s.caption + \"')\")":                     true,
		"x.innerHTML = `<a onclick='show(${JSON.stringify(s)})'>`":                       true,
		"x.innerHTML = `<a href=\"javascript:zoom('${s.caption}')\">`":                   true,
		"x.innerHTML = '<a href=\" javascript:zoom(\\'' + s.caption + '\\')\">'":         true,
		"a.href = \"javascript:zoom('\" + caption + \"')\"":                              true,
		"x.innerHTML = `<iframe srcdoc=\"${caption}\">`":                                 true,
		"frame.srcdoc = '<p>' + s.caption":                                               true,
		"frame.setAttribute('srcdoc', s.caption)":                                        true,
		"x.innerHTML = `<a href=\"javascript:zoom('${s.id}')\">${s.caption}</a>`":        false,
		"x.innerHTML = `<a href=\"javascript:void(0)\">${s.caption}</a>`":                false,
		"x.innerHTML = '<a href=\"javascript:void(0)\">' + s.caption":                    false,
		"x.innerHTML = `<img src=\"${s.imageUrl}\" alt=\"${s.caption}\">`":               false,
		"x.innerHTML = `<b onclick=\"deleteCategory('${c.id}')\">${c.name}</b>`":         false,
		"x.innerHTML = `<b onclick=\"pick('${category}', '${s.id}')\">${s.caption}</b>`": false,
		"x.innerHTML = '<b onclick=\"deleteCategory(\\'' + c.id + '\\')\">' + c.name":    false,
		"b.onclick = () => zoom(caption)":                                                false,
		"x.innerHTML = `<p title=\"${caption}\">`":                                       false,
	} {
		got, err := TextInHandlers(fstest.MapFS{"old.html": {Data: []byte("<script>\n" + script + "\n</script>")}, "photo.jpg": {Data: []byte(script)}})
		if err != nil {
			t.Fatal(err)
		}
		if (len(got) > 0) != found {
			t.Errorf("%s: found %q", script, got)
		}
	}
}

// Pages that existing deployments have start as they are.
func TestOldPagesPutNoTextIntoHandlers(t *testing.T) {
	for _, folder := range []string{"../../test/testdata/oldpages", "../../static"} {
		if found, err := TextInHandlers(os.DirFS(folder)); err != nil || len(found) > 0 {
			t.Errorf("%s: %q %v", folder, found, err)
		}
	}
}
