package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

const (
	s3Scheme  = "s3://"
	maxPrefix = 700 // of the 1,024 bytes of a key
)

// bucketPattern takes what old buckets and servers of one's own have for names, too.
var bucketPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{3,255}$`)

func isControl(r rune) bool { return unicode.IsControl(r) }

// baseURL takes the API's base URL. No message quotes it: a key may have been
// written into it.
func baseURL(s scalar) (string, error) {
	u, err := url.Parse(s.text)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "" || !goodPort(u):
		return "", errors.New("wants a URL such as " + RoistatURL)
	case u.User != nil:
		return "", errors.New("wants a URL without a user and a password")
	case strings.ContainsAny(s.text, "?#"):
		return "", errors.New("wants a URL without a query and a fragment: the key is sent in a header")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return "", errors.New("wants https; http only on 127.0.0.0/8, ::1 or localhost")
	}
	u.Host = strings.ToLower(u.Host)
	return strings.TrimRight(u.String(), "/"), nil
}

func goodPort(u *url.URL) bool {
	if u.Port() == "" {
		return !strings.HasSuffix(u.Host, ":")
	}
	n, err := strconv.Atoi(u.Port())
	return err == nil && n > 0 && n < 1<<16
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() && !ip.Is4In6()
}

// roistats tells whether a base URL is Roistat's own.
func roistats(base string) bool {
	own, err := url.Parse(RoistatURL)
	u, err2 := url.Parse(base)
	return err == nil && err2 == nil && strings.TrimSuffix(u.Hostname(), ".") == own.Hostname()
}

// clickHouseURL takes clickhouse://user@host:port/database. No message quotes
// it: a password may have been written into it.
func clickHouseURL(s scalar) (string, error) {
	u, err := url.Parse(s.text)
	if err != nil || u.Scheme != "clickhouse" || u.Hostname() == "" || !goodPort(u) {
		return "", errors.New("wants a URL such as clickhouse://user@127.0.0.1:9000/database")
	}
	if _, has := u.User.Password(); has {
		return "", errors.New("wants a URL without a password: it belongs in password or password_file")
	}
	if base := strings.TrimPrefix(u.Path, "/"); base == "" || strings.Contains(base, "/") {
		return "", errors.New("wants a URL that ends in the name of one database")
	}
	for name, values := range u.Query() {
		if name != "secure" || len(values) != 1 || values[0] != "true" && values[0] != "false" {
			return "", errors.New("wants a URL without options, or with ?secure=true for TLS, which is always verified")
		}
	}
	return s.text, nil
}

// s3URL takes s3://bucket or s3://bucket/prefix.
func s3URL(s scalar) (string, error) {
	bucket, prefix, _ := strings.Cut(strings.TrimPrefix(s.text, s3Scheme), "/")
	if !strings.HasPrefix(s.text, s3Scheme) || bucket == "" || strings.ContainsFunc(s.text, isControl) {
		return "", s.wants("a URL such as s3://bucket/prefix")
	}
	if strings.ContainsAny(bucket, "@:") {
		return "", errors.New("wants s3://bucket/prefix without credentials: they come from the environment (docs/configuration.md, S3)")
	}
	if !bucketPattern.MatchString(bucket) || len(prefix) > maxPrefix {
		return "", s.wants(fmt.Sprintf("s3://bucket/prefix with 3 to 255 of a-z, 0-9, . and - in the bucket's name, and at most %d bytes in the prefix", maxPrefix))
	}
	return s3Scheme + path.Join(bucket, path.Clean("/"+prefix)), nil
}

// canonical names a destination so that two that are one are equal, and one that
// lies in another begins with it. It is "" for one that isn't known yet.
func canonical(d Destination, absolute func(string) string) string {
	switch {
	case d.Parquet != nil && strings.HasPrefix(d.Parquet.Path, s3Scheme):
		return d.Parquet.Path + "/"
	case d.Parquet != nil && d.Parquet.Path != "":
		return strings.TrimRight(absolute(d.Parquet.Path), "/") + "/"
	case d.ClickHouse != nil && d.ClickHouse.URL != "":
		return database(d.ClickHouse.URL)
	}
	return ""
}

// database names the database of a ClickHouse URL without its user and options.
func database(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = "9000"
		if u.Query().Get("secure") == "true" {
			port = "9440"
		}
	}
	return "clickhouse://" + strings.ToLower(u.Hostname()) + ":" + port + u.Path + "/"
}
