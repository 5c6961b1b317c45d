package pictures

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/cloudinary/cloudinary-go/v2"
	cloudapi "github.com/cloudinary/cloudinary-go/v2/api"
	"github.com/cloudinary/cloudinary-go/v2/api/uploader"

	"podium/server/api"
)

// maxAnswer bounds what Cloudinary may answer, in bytes.
const maxAnswer = 1 << 20

// Cloud is an account at Cloudinary.
type Cloud struct {
	*Service
	api *cloudinary.Cloudinary
}

// NewCloud makes the connection to an account. prefix, when not empty, is the
// address of the upload API in place of Cloudinary's own.
func NewCloud(name, key, secret, prefix string) (*Cloud, error) {
	return newCloud(name, key, secret, prefix, 30*time.Second)
}

func newCloud(name, key, secret, prefix string, pause time.Duration) (*Cloud, error) {
	account, err := cloudinary.NewFromParams(name, key, secret)
	if err != nil {
		return nil, fmt.Errorf("configure Cloudinary: %w", err)
	}
	if prefix != "" {
		prefix = strings.TrimSuffix(prefix, "/")
		account.Config.API.UploadPrefix = prefix
		account.Upload.Config.API.UploadPrefix = prefix
	}
	account.Upload.Client = http.Client{Transport: boundedTransport{http.DefaultTransport}}
	return &Cloud{Service: newService("Cloudinary", pause), api: account}, nil
}

// boundedTransport cuts answers off that are longer than any of Cloudinary's,
// and makes those that come from something broken in between into errors.
type boundedTransport struct{ next http.RoundTripper }

func (b boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 500 || res.StatusCode == http.StatusTooManyRequests {
		res.Body.Close()
		return nil, fmt.Errorf("the answer's status is %d", res.StatusCode)
	}
	res.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(res.Body, maxAnswer), res.Body}
	return res, nil
}

// cloudID is the public id of the picture that is kept in the file name. It is
// the same for every try, so that one whose answer was lost leaves no second
// copy.
func cloudID(name string) string {
	return "podium/" + strings.TrimSuffix(path.Base(name), path.Ext(name))
}

// keep implements place. Only the picture itself is sent: Cloudinary makes sizes.
func (c *Cloud) keep(ctx context.Context, _ api.Picture, files []file, within time.Duration) (kept api.Picture, err error) {
	err = c.upload(ctx, within, func(ctx context.Context) error {
		var err error
		kept, err = c.send(ctx, cloudID(files[0].name), files[0].data)
		return err
	})
	if err != nil {
		return api.Picture{}, fmt.Errorf("send to Cloudinary: %w", err)
	}
	return kept, nil
}

// service implements place.
func (c *Cloud) service() *Service { return c.Service }

// send makes one try. The library panics on some answers that are not
// Cloudinary's, so that is an error too.
func (c *Cloud) send(ctx context.Context, id string, picture io.Reader) (kept api.Picture, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the answer cannot be read: %v", v)
		}
	}()
	result, err := c.api.Upload.Upload(ctx, picture, uploader.UploadParams{ResourceType: "image", PublicID: id, Overwrite: cloudapi.Bool(true)})
	if err != nil {
		return api.Picture{}, err
	}
	if result.Error.Message != "" {
		return api.Picture{}, fmt.Errorf("%w: %s", errRefused, result.Error.Message)
	}
	if !strings.HasPrefix(result.SecureURL, "https://") {
		return api.Picture{}, errors.New("the answer holds no https address")
	}
	return api.Picture{URL: result.SecureURL, Method: MethodCloud, CloudID: result.PublicID}, nil
}

// remove implements place.
func (c *Cloud) remove(ctx context.Context, id string) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("delete at Cloudinary: the answer cannot be read: %v", v)
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, c.Patience)
	defer cancel()
	result, err := c.api.Upload.Destroy(ctx, uploader.DestroyParams{PublicID: id, Invalidate: cloudapi.Bool(true)})
	if err != nil {
		return fmt.Errorf("delete at Cloudinary: %w", err)
	}
	if result.Error.Message != "" {
		return fmt.Errorf("delete at Cloudinary: %s", result.Error.Message)
	}
	return nil
}
