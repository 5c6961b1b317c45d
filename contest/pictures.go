package contest

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// maxMissing bounds what MissingPictures returns: those that are known, and the others.
const maxMissing = 100

// Missing is a picture that a submission has and that is not here.
type Missing struct {
	Submission string // its id
	File       string // its name among the uploads
	// Known: it never was here. The import that brought the submission said so.
	Known bool
}

// String is what a check says of it.
func (m Missing) String() string {
	if m.Known {
		return fmt.Sprintf("The picture %s of submission %s is known to be missing: it was not there when the submission was imported.", m.File, m.Submission)
	}
	return fmt.Sprintf("The picture %s of submission %s is not among the uploads.", m.File, m.Submission)
}

// MissingPictures returns the pictures that are not where they should be: in the
// folder of uploads, or in the bucket. there says which names
// are. It returns up to a hundred that are known, and as many that are not.
func (c *Contest) MissingPictures(there func(name string) bool) ([]Missing, error) {
	var missing []Missing
	count := map[bool]int{} // by Known
	err := c.Each(func(sub Submission) bool {
		for _, name := range sub.localFiles() {
			if there(path.Base(name)) {
				continue
			}
			known := !slices.Contains(sub.Files, name)
			if count[known]++; count[known] <= maxMissing {
				missing = append(missing, Missing{sub.ID, name, known})
			}
		}
		return true
	})
	return missing, err
}

// Pictures returns the names of all files that submissions have in the folder
// of uploads.
func (c *Contest) Pictures() (names []string, err error) {
	err = c.Each(func(sub Submission) bool {
		names = append(names, sub.Files...)
		for _, name := range sub.localFiles() {
			if !slices.Contains(sub.Files, name) {
				names = append(names, name)
			}
		}
		return true
	})
	return names, err
}

// bucketID begins the CloudID of pictures in a bucket.
const bucketID = "bucket/"

// BucketID is the CloudID of a picture that is in a bucket, by its name there.
func BucketID(name string) string { return bucketID + name }

// IsBucketID reports whether a CloudID is that of a picture in a bucket.
func IsBucketID(cloudID string) bool { return strings.HasPrefix(cloudID, bucketID) }

// BucketName is the name of the picture whose CloudID is that.
func BucketName(cloudID string) string { return strings.TrimPrefix(cloudID, bucketID) }

// smallSize ends the names of pictures' small sizes, which are made again when
// somebody asks for one that is not there.
const smallSize = "-480.jpg"

// localFiles are the names of the files that a submission needs in the folder
// of uploads: those that belong to it, but for its small size, and the one that
// its address points to, which belongs to it unless an import found no picture
// there. Of a picture in Cloudinary none is needed.
func (sub *Submission) localFiles() []string {
	if sub.CloudID != "" && !IsBucketID(sub.CloudID) {
		return nil
	}
	var names []string
	for _, name := range sub.Files {
		if !strings.HasSuffix(name, smallSize) {
			names = append(names, name)
		}
	}
	if sub.ImageURL == nil {
		return names
	}
	if name, ok := strings.CutPrefix(*sub.ImageURL, "/uploads/"); ok && !slices.Contains(names, name) {
		names = append(names, name)
	}
	return names
}
