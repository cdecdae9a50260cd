package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"sort"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// BucketSettings say where a bucket of S3 is.
type BucketSettings struct {
	Endpoint    string // URL, such as https://s3.example.com
	Bucket      string
	Prefix      string // of all names; "" is none
	Region      string // "" asks the server
	Key, Secret string
}

// Bucket is a Store in a bucket of S3. The bucket has to exist.
type Bucket struct {
	client         *minio.Client
	bucket, prefix string
}

// OpenBucket returns the store in a bucket. It does not connect yet.
func OpenBucket(s BucketSettings) (Bucket, error) {
	u, err := url.Parse(s.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return Bucket{}, fmt.Errorf("open archive: S3 endpoint %q is no URL such as https://s3.example.com", s.Endpoint)
	}
	client, err := minio.New(u.Host, &minio.Options{
		Creds: credentials.NewStaticV4(s.Key, s.Secret, ""), Secure: u.Scheme == "https", Region: s.Region,
	})
	if err != nil {
		return Bucket{}, fmt.Errorf("open archive in bucket %s: %w", s.Bucket, err)
	}
	return Bucket{client, s.Bucket, strings.Trim(s.Prefix, "/")}, nil
}

func (b Bucket) String() string { return "s3://" + path.Join(b.bucket, b.prefix) }

// key returns the name of an object in the bucket.
func (b Bucket) key(name string) string {
	if b.prefix == "" {
		return name
	}
	return b.prefix + "/" + name
}

// Put writes an object; S3 shows it when it is whole.
func (b Bucket) Put(ctx context.Context, name string, from io.ReadSeeker) error {
	return b.put(ctx, name, from, minio.PutObjectOptions{ContentType: "application/octet-stream"})
}

// Create writes an object that must not be there.
func (b Bucket) Create(ctx context.Context, name string, from io.ReadSeeker) error {
	there, err := exists(ctx, b, name) // servers that know no conditions are asked at least
	if err != nil {
		return err
	}
	if there {
		return fmt.Errorf("archive %s: %w", name, ErrExists)
	}
	o := minio.PutObjectOptions{ContentType: "application/octet-stream"}
	o.SetMatchETagExcept("*") // If-None-Match: the server refuses where somebody was faster
	err = b.put(ctx, name, from, o)
	if answer := (minio.ErrorResponse{}); errors.As(err, &answer) && answer.StatusCode == http.StatusPreconditionFailed {
		return fmt.Errorf("archive %s: %w", name, ErrExists)
	}
	return err
}

func (b Bucket) put(ctx context.Context, name string, from io.ReadSeeker, o minio.PutObjectOptions) error {
	size, err := from.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = from.Seek(0, io.SeekStart)
	}
	if err == nil {
		_, err = b.client.PutObject(ctx, b.bucket, b.key(name), from, size, o)
	}
	if err != nil {
		return fmt.Errorf("archive %s in %s: %w", name, b, err)
	}
	return nil
}

// Get opens an object.
func (b Bucket) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	o, err := b.client.GetObject(ctx, b.bucket, b.key(name), minio.GetObjectOptions{})
	if err == nil {
		_, err = o.Stat() // the request is made here
	}
	if err != nil {
		closeAll(o)
		if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
			err = fs.ErrNotExist
		}
		return nil, fmt.Errorf("read %s of the archive in %s: %w", name, b, err)
	}
	return o, nil
}

// List lists the objects.
func (b Bucket) List(ctx context.Context, prefix string) ([]string, error) {
	var names []string
	for o := range b.client.ListObjects(ctx, b.bucket, minio.ListObjectsOptions{Prefix: b.key(prefix), Recursive: true}) {
		if o.Err != nil {
			return nil, fmt.Errorf("list the archive in %s: %w", b, o.Err)
		}
		names = append(names, strings.TrimPrefix(strings.TrimPrefix(o.Key, b.prefix), "/"))
	}
	sort.Strings(names)
	return names, nil
}

// Remove removes an object.
func (b Bucket) Remove(ctx context.Context, name string) error {
	if err := b.client.RemoveObject(ctx, b.bucket, b.key(name), minio.RemoveObjectOptions{}); err != nil {
		return fmt.Errorf("remove %s of the archive in %s: %w", name, b, err)
	}
	return nil
}
