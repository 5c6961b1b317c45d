package uploads

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	gcaws "gocloud.dev/aws"
	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/blob/s3blob"
	"gocloud.dev/gcerrors"
)

// Connections is how many connections to a bucket are kept open for the next
// requests: as many as may read at the same time.
const Connections = 128

// Bucket keeps files as objects. It is safe for concurrent use.
type Bucket struct {
	blob    *blob.Bucket
	address string // without what follows the question mark
	prefix  string // of every key
	// Of a bucket that is no folder, for what gocloud.dev has no words for:
	client    *s3.Client
	name      string
	transport *http.Transport
}

// IsBucket reports whether a setting names a bucket, and no folder.
func IsBucket(setting string) bool { return strings.Contains(setting, "://") }

// OpenBucket opens the bucket of an address. It sends nothing yet; Probe does.
func OpenBucket(ctx context.Context, address string) (*Bucket, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the address of the bucket cannot be read") // the error would repeat it, with what is secret in it
	}
	b := &Bucket{address: u.Scheme + "://" + u.Host + u.Path, name: u.Host}
	if u.User != nil {
		return nil, fmt.Errorf("the address of the bucket %s holds a key: those belong in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", b)
	}
	query := u.Query()
	b.prefix = query.Get("prefix")
	query.Del("prefix")
	switch u.Scheme {
	case "s3":
		err = b.openS3(ctx, u, query)
	case "file":
		err = b.openFolder(u)
	default:
		err = errors.New("only s3:// and file:// are known, because every machine must find the pictures there")
	}
	if err != nil {
		return nil, fmt.Errorf("open the bucket %s: %w", b, err)
	}
	if b.prefix != "" {
		b.blob = blob.PrefixedBucket(b.blob, b.prefix)
	}
	return b, nil
}

func (b *Bucket) openFolder(u *url.URL) (err error) {
	if u.Host != "" || u.Path == "" {
		return errors.New("a folder is written file:///path")
	}
	// Next to each other, so that a file takes its name in one step.
	b.blob, err = fileblob.OpenBucket(u.Path, &fileblob.Options{CreateDir: true, DirFileMode: 0o700, NoTempDir: true, Metadata: fileblob.MetadataDontWrite})
	return err
}

func (b *Bucket) openS3(ctx context.Context, u *url.URL, query url.Values) error {
	if u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return errors.New("a bucket is written s3://name, and a folder in it prefix=folder/")
	}
	style := false
	for _, name := range []string{"use_path_style", "s3ForcePathStyle"} {
		if text := query.Get(name); text != "" {
			given, err := strconv.ParseBool(text)
			if err != nil {
				return fmt.Errorf("%s must be true or false, not %q", name, text)
			}
			style = given
		} else {
			style = style || !hasSubdomains(query.Get("endpoint"))
		}
		query.Del(name)
	}
	if query.Get("endpoint") != "" {
		for name, value := range map[string]string{"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"} {
			if query.Get(name) == "" { // what Amazon has had since 2025 others may not know
				query.Set(name, value)
			}
		}
	}
	config, err := gcaws.V2ConfigFromURLParams(ctx, query)
	if err != nil {
		return err
	}
	if config.Region == "" {
		config.Region = "us-east-1" // which services without regions take
	}
	b.transport = http.DefaultTransport.(*http.Transport).Clone()
	b.transport.MaxIdleConns, b.transport.MaxIdleConnsPerHost = Connections, Connections
	b.transport.ResponseHeaderTimeout = 30 * time.Second
	config.HTTPClient = &http.Client{Transport: b.transport}
	b.client = s3.NewFromConfig(config, func(o *s3.Options) { o.UsePathStyle = style })
	b.blob, err = s3blob.OpenBucket(ctx, b.client, u.Host, &s3blob.Options{RequestChecksumCalculation: config.RequestChecksumCalculation})
	return err
}

// hasSubdomains reports whether the host of an endpoint can have a bucket's name
// before it: an IP address and a name of one word cannot.
func hasSubdomains(endpoint string) bool {
	if endpoint == "" {
		return true
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return true
	}
	_, err = netip.ParseAddr(u.Hostname())
	return err != nil && strings.Contains(u.Hostname(), ".")
}

// String is the bucket's address, without what could be secret in it.
func (b *Bucket) String() string { return b.address }

// Close ends the connections.
func (b *Bucket) Close() error {
	err := b.blob.Close()
	if b.transport != nil {
		b.transport.CloseIdleConnections()
	}
	return err
}

// Probe finds out whether the bucket can be used, by an object that it writes,
// reads and removes. Of an error, Refused tells whether waiting may help.
func (b *Bucket) Probe(ctx context.Context) error {
	name, data := "podium-probe-"+strings.ToLower(rand.Text()), []byte("Podium writes this to see whether it can, and removes it.\n")
	if b.client != nil {
		if _, err := b.client.Options().Credentials.Retrieve(ctx); err != nil {
			return fmt.Errorf("there are no keys for the bucket %s (set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY): %w: %w", b, errNoKeys, err)
		}
	}
	if err := b.Write(ctx, name, bytes.NewReader(data)); err != nil {
		return fmt.Errorf("try to write: %w", err)
	}
	read, err := b.read(ctx, name)
	if err == nil && !bytes.Equal(read, data) {
		err = errors.New("what comes back is not what was written")
	}
	if err != nil {
		return errors.Join(fmt.Errorf("try to read what was written: %w", err), b.Remove(ctx, name))
	}
	if err := b.Remove(ctx, name); err != nil {
		return fmt.Errorf("try to remove what was written: %w", err)
	}
	return nil
}

func (b *Bucket) read(ctx context.Context, name string) ([]byte, error) {
	data, err := b.blob.ReadAll(ctx, name)
	return data, b.explain("read", name, err)
}

var errNoKeys = errors.New("no keys were found")

// Refused reports whether err is the service's decision, such as on a wrong key or
// the name of a bucket that is not there, and not that it is away.
func Refused(err error) bool {
	if errors.Is(err, errNoKeys) || errors.Is(err, fs.ErrPermission) {
		return true
	}
	var answer *awshttp.ResponseError
	if !errors.As(err, &answer) {
		return false
	}
	status := answer.HTTPStatusCode()
	return status >= 300 && status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests
}

// Write keeps a file, in the place of one of that name.
func (b *Bucket) Write(ctx context.Context, name string, from io.Reader) error {
	return b.explain("write", name, b.blob.Upload(ctx, name, from, &blob.WriterOptions{ContentType: kindOf(name)}))
}

// WriteNew keeps a file unless there is one of that name.
func (b *Bucket) WriteNew(ctx context.Context, name string, data []byte) error {
	err := b.blob.WriteAll(ctx, name, data, &blob.WriterOptions{ContentType: kindOf(name), IfNotExist: true})
	if gcerrors.Code(err) == gcerrors.FailedPrecondition {
		return nil
	}
	var answer *awshttp.ResponseError
	if errors.As(err, &answer) && (answer.HTTPStatusCode() == http.StatusNotImplemented || answer.HTTPStatusCode() == http.StatusBadRequest) {
		return b.Write(ctx, name, bytes.NewReader(data)) // a service that knows no conditions
	}
	return b.explain("write", name, err)
}

// kindOf is the type of a picture by its name.
func kindOf(name string) string {
	switch {
	case strings.HasSuffix(strings.ToLower(name), ".png"):
		return "image/png"
	case strings.HasSuffix(strings.ToLower(name), ".gif"):
		return "image/gif"
	case strings.HasSuffix(strings.ToLower(name), ".webp"):
		return "image/webp"
	case strings.Contains(name, "."):
		return "image/jpeg"
	}
	return "text/plain"
}

// Reader reads an object. It must be closed. It is for one goroutine.
type Reader struct {
	*blob.Reader
	Kind string // its type, by its name
}

// Open opens a file for reading, as long as ctx lasts. The error of one that is not
// there is fs.ErrNotExist.
func (b *Bucket) Open(ctx context.Context, name string) (*Reader, error) {
	r, err := b.blob.NewReader(ctx, name, nil)
	if err != nil {
		return nil, b.explain("read", name, err)
	}
	return &Reader{r, kindOf(name)}, nil
}

// Has reports whether there is a file of that name.
func (b *Bucket) Has(ctx context.Context, name string) (bool, error) {
	there, err := b.blob.Exists(ctx, name)
	return there, b.explain("look for", name, err)
}

// Names returns the names of all files with the times at which they were written.
func (b *Bucket) Names(ctx context.Context) (map[string]time.Time, error) {
	names := map[string]time.Time{}
	for items := b.blob.List(nil); ; {
		item, err := items.Next(ctx)
		if err == io.EOF {
			return names, nil
		}
		if err != nil {
			return nil, b.explain("list", "what is there", err)
		}
		names[item.Key] = item.ModTime
	}
}

// Remove deletes files, in that order, with every version that the bucket has of
// them. Those that are not there do no harm.
func (b *Bucket) Remove(ctx context.Context, names ...string) error {
	for _, name := range names {
		if err := b.blob.Delete(ctx, name); err != nil && gcerrors.Code(err) != gcerrors.NotFound && !errors.Is(err, os.ErrNotExist) {
			return b.explain("remove", name, err)
		}
	}
	if b.client == nil {
		return nil
	}
	for _, name := range names {
		if err := b.removeVersions(ctx, name); err != nil {
			return b.explain("remove the versions of", name, err)
		}
	}
	return nil
}

// removeVersions deletes what a bucket with versions keeps of an object that was
// deleted: its versions, and the mark that says that it is gone.
func (b *Bucket) removeVersions(ctx context.Context, name string) error {
	key := b.prefix + name
	pages := s3.NewListObjectVersionsPaginator(b.client, &s3.ListObjectVersionsInput{Bucket: &b.name, Prefix: &key})
	for pages.HasMorePages() {
		found, err := pages.NextPage(ctx)
		if err != nil {
			return versionless(err)
		}
		var versions []string
		for _, v := range found.Versions {
			if aws.ToString(v.Key) == key {
				versions = append(versions, aws.ToString(v.VersionId))
			}
		}
		for _, v := range found.DeleteMarkers {
			if aws.ToString(v.Key) == key {
				versions = append(versions, aws.ToString(v.VersionId))
			}
		}
		for _, version := range versions {
			if _, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: &key, VersionId: &version}); err != nil {
				return err
			}
		}
	}
	return nil
}

// versionless is nil for the answers of services that keep no versions.
func versionless(err error) error {
	var answer *awshttp.ResponseError
	if errors.As(err, &answer) && slices.Contains([]int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented}, answer.HTTPStatusCode()) {
		return nil
	}
	return err
}

// explain says what was being done where it failed.
func (b *Bucket) explain(doing, name string, err error) error {
	if err == nil {
		return nil
	}
	// Not there is the file, and not the bucket.
	if gcerrors.Code(err) == gcerrors.NotFound && !strings.Contains(err.Error(), "NoSuchBucket") {
		return fmt.Errorf("%s %s in the bucket %s: %w", doing, name, b, fs.ErrNotExist)
	}
	return fmt.Errorf("%s %s in the bucket %s: %w", doing, name, b, err)
}
