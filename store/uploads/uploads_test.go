package uploads

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"podium/protocol/services"
)

// openBucket opens a bucket that the test closes.
func openBucket(t *testing.T, address string) *Bucket {
	t.Helper()
	b, err := OpenBucket(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// names are the files of a bucket, sorted.
func names(t *testing.T, b *Bucket) []string {
	t.Helper()
	all, err := b.Names(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for name, at := range all {
		if time.Since(at).Abs() > time.Hour {
			t.Errorf("%s was written at %s", name, at)
		}
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

func TestABucketKeepsFiles(t *testing.T) {
	for kind, address := range map[string]func(*testing.T) string{
		"folder": func(t *testing.T) string { return "file://" + t.TempDir() + "/new" },
		"s3": func(t *testing.T) string {
			server := services.StartS3(t)
			server.LetIn(t)
			return server.URL()
		},
		"s3 below a prefix": func(t *testing.T) string {
			server := services.StartS3(t)
			server.LetIn(t)
			return server.URL() + "&prefix=one/contest/"
		},
	} {
		t.Run(kind, func(t *testing.T) {
			b := openBucket(t, address(t))
			if err := b.Probe(t.Context()); err != nil {
				t.Fatal(err)
			}
			if left := names(t, b); len(left) > 0 {
				t.Errorf("the probe left %v", left)
			}
			if _, err := b.Open(t.Context(), "a.jpg"); !errors.Is(err, fs.ErrNotExist) || Refused(err) {
				t.Errorf("a file that is not there: %v", err)
			}
			for _, text := range []string{"first", "second, which is longer"} {
				if err := b.Write(t.Context(), "a.jpg", strings.NewReader(text)); err != nil {
					t.Fatal(err)
				}
			}
			for _, text := range []string{"small", "never"} {
				if err := b.WriteNew(t.Context(), "a-480.jpg", []byte(text)); err != nil {
					t.Fatal(err)
				}
			}
			for name, want := range map[string]string{"a.jpg": "second, which is longer", "a-480.jpg": "small"} {
				r, err := b.Open(t.Context(), name)
				if err != nil {
					t.Fatal(err)
				}
				data, err := io.ReadAll(r)
				if err != nil || string(data) != want || r.Kind != "image/jpeg" || r.Size() != int64(len(want)) {
					t.Errorf("%s is %q of %d bytes, %s: %v", name, data, r.Size(), r.Kind, err)
				}
				if _, err := r.Seek(2, io.SeekStart); err != nil {
					t.Fatal(err)
				}
				if data, err := io.ReadAll(r); err != nil || string(data) != want[2:] {
					t.Errorf("from the third byte on %s is %q: %v", name, data, err)
				}
				r.Close()
			}
			if got := names(t, b); !slices.Equal(got, []string{"a-480.jpg", "a.jpg"}) {
				t.Errorf("the files are %v", got)
			}
			if err := b.Remove(t.Context(), "a.jpg", "not-there.jpg"); err != nil {
				t.Fatal(err)
			}
			if got := names(t, b); !slices.Equal(got, []string{"a-480.jpg"}) {
				t.Errorf("after one was removed the files are %v", got)
			}
		})
	}
}

// What was deleted is not kept by a bucket with versions either, and neither is what
// was written twice; names that begin alike are others' business.
func TestDeletionTakesEveryVersion(t *testing.T) {
	server := services.StartS3(t)
	server.LetIn(t)
	b := openBucket(t, server.URL())
	bucket := services.S3Bucket
	_, err := b.client.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: &bucket,
		VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a.jpg", "a.jpg", "a.jpg.png", "a-480.jpg"} {
		if err := b.Write(t.Context(), name, strings.NewReader(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Remove(t.Context(), "a.jpg", "a-480.jpg"); err != nil {
		t.Fatal(err)
	}
	left, err := b.client.ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: &bucket})
	if err != nil {
		t.Fatal(err)
	}
	if len(left.DeleteMarkers) > 0 || len(left.Versions) != 1 || aws.ToString(left.Versions[0].Key) != "a.jpg.png" {
		t.Errorf("left are %d versions and %d marks", len(left.Versions), len(left.DeleteMarkers))
	}
}

func TestAWrongKeyIsRefusedAndAnAbsentServerIsNot(t *testing.T) {
	server := services.StartS3(t)
	server.LetIn(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := openBucket(t, strings.Replace(server.URL(), services.S3Bucket, "another", 1)).Probe(ctx); !Refused(err) {
		t.Errorf("a bucket that is not there: %v", err)
	}
	const secret = "not-the-secret-of-this-server"
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	err := openBucket(t, server.URL()).Probe(ctx)
	if !Refused(err) || strings.Contains(err.Error(), secret) {
		t.Errorf("a wrong key: %v", err)
	}
	server.Kill()
	if err := openBucket(t, server.URL()).Probe(ctx); err == nil || Refused(err) {
		t.Errorf("a server that is away: %v", err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	if err := openBucket(t, server.URL()).Probe(ctx); !Refused(err) || !strings.Contains(err.Error(), "AWS_ACCESS_KEY_ID") {
		t.Errorf("no keys: %v", err)
	}
}

func TestAddressesThatCannotBeMeantAreRefused(t *testing.T) {
	for address, because := range map[string]string{
		"mem://":                         "every machine",
		"gs://name":                      "only s3:// and file://",
		"s3://":                          "s3://name",
		"s3://name/folder":               "prefix=folder/",
		"s3://name?regoin=x":             "regoin",
		"s3://name?use_path_style=maybe": "maybe",
		"file://folder":                  "file:///path",
		"s3://key:hidden@name?region=x":  "AWS_SECRET_ACCESS_KEY",
		"s3://key:hidden%zz@name":        "cannot be read",
	} {
		b, err := OpenBucket(t.Context(), address)
		if err == nil {
			b.Close()
			t.Errorf("%s was taken", address)
			continue
		}
		if !strings.Contains(err.Error(), because) || strings.Contains(err.Error(), "hid") {
			t.Errorf("%s: %v", address, err)
		}
	}
	for endpoint, want := range map[string]bool{"": true, "http://127.0.0.1:9000": false, "http://minio:9000": false, "https://s3.example.org": true, "http://[::1]:9000": false} {
		if got := hasSubdomains(endpoint); got != want {
			t.Errorf("%q: %v", endpoint, got)
		}
	}
}

// Without a bucket the folder is all; with one, what waits there is found beside what
// the bucket has, and what is written goes to the bucket.
func TestAPlaceIsItsFolderAndItsBucket(t *testing.T) {
	data := t.TempDir()
	alone, err := Open(t.Context(), data, "")
	if err != nil {
		t.Fatal(err)
	}
	write := func(f Files, name, text string) {
		if err := f.Write(name, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	write(alone.Within(t.Context()), "here.jpg", "here")
	both, err := Open(t.Context(), data, "file://"+t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer both.Close()
	files := both.Within(t.Context())
	write(files, "there.jpg", "there")
	if has, err := alone.Within(t.Context()).Has("there.jpg"); has || err != nil {
		t.Error("what is written with a bucket stays in the folder", err)
	}
	all, err := files.Names()
	if err != nil || len(all) != 2 {
		t.Fatal(all, err)
	}
	for name := range all {
		r, err := files.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(data, []byte(strings.TrimSuffix(name, ".jpg"))) {
			t.Errorf("%s is %q: %v", name, data, err)
		}
		r.Close()
		if has, err := files.Has(name); !has || err != nil {
			t.Errorf("%s is not found: %v", name, err)
		}
	}
	if _, err := files.Open("nowhere.jpg"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
