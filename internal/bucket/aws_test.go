package bucket

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"roistat-etl/internal/s3test"
)

// authority stands in for all that hands out credentials: the endpoint of a
// container, of a machine, of sts and of sso. It counts who asked for what.
type authority struct {
	*httptest.Server
	asked map[string]*atomic.Int64
}

func newAuthority(t *testing.T) *authority {
	a := &authority{asked: map[string]*atomic.Int64{}}
	expires := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	keys := fmt.Sprintf(`{"Code":"Success","AccessKeyId":%q,"SecretAccessKey":%q,"Token":"","Expiration":%q}`, s3test.AccessKey, s3test.SecretKey, expires)
	role := func(action string) string {
		return fmt.Sprintf(`<%[1]sResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><%[1]sResult><Credentials><AccessKeyId>%[2]s</AccessKeyId><SecretAccessKey>%[3]s</SecretAccessKey><SessionToken></SessionToken><Expiration>%[4]s</Expiration></Credentials></%[1]sResult></%[1]sResponse>`,
			action, s3test.AccessKey, s3test.SecretKey, expires)
	}
	mux := http.NewServeMux()
	serve := func(pattern, name string, answer func(*http.Request) string) {
		count := &atomic.Int64{}
		a.asked[name] = count
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			count.Add(1)
			_, _ = w.Write([]byte(answer(r))) // a client that is gone sees to itself
		})
	}
	serve("GET /container", "container", func(*http.Request) string { return keys })
	serve("PUT /latest/api/token", "machine", func(*http.Request) string { return "token" })
	mux.HandleFunc("GET /latest/meta-data/iam/security-credentials/", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/role") {
			_, _ = w.Write([]byte(keys))
			return
		}
		_, _ = w.Write([]byte("role"))
	})
	serve("GET /federation/credentials", "sso", func(r *http.Request) string {
		if r.Header.Get("x-amz-sso_bearer_token") != "login" || r.FormValue("role_name") != "analyst" {
			return "{}"
		}
		return fmt.Sprintf(`{"roleCredentials":{"accessKeyId":%q,"secretAccessKey":%q,"sessionToken":"","expiration":%d}}`, s3test.AccessKey, s3test.SecretKey, time.Now().Add(time.Hour).UnixMilli())
	})
	serve("POST /", "sts", func(r *http.Request) string {
		if r.FormValue("RoleArn") != "arn:aws:iam::123456789012:role/etl" || r.FormValue("Action") == "AssumeRoleWithWebIdentity" && r.FormValue("WebIdentityToken") != "jwt" {
			return ""
		}
		return role(r.FormValue("Action"))
	})
	a.Server = httptest.NewServer(mux)
	t.Cleanup(a.Close)
	return a
}

// home is a folder of a user with files in .aws.
func home(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, ".aws/config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, ".aws/credentials"))
	for name, text := range files {
		path := filepath.Join(dir, ".aws", name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, []byte(text), 0o700))
	}
}

// TestCredentialsAsTheAWSChainHasThem are found wherever AWS's own programs find
// them, also where the machine is not to be asked.
func TestCredentialsAsTheAWSChainHasThem(t *testing.T) {
	server := s3test.Start(t, "bucket")
	keys := "aws_access_key_id = " + s3test.AccessKey + "\naws_secret_access_key = " + s3test.SecretKey + "\n"
	others := "aws_access_key_id = other\naws_secret_access_key = other\n"
	const role = "role_arn = arn:aws:iam::123456789012:role/etl\n"
	cached := sha1.Sum([]byte("company"))
	for name, c := range map[string]struct {
		env   map[string]string // %s: the authority's address
		files map[string]string
		asked string
	}{
		"keys of a file":          {nil, map[string]string{"credentials": "[default]\n" + keys}, ""},
		"keys of a profile":       {map[string]string{"AWS_PROFILE": "etl"}, map[string]string{"config": "[default]\n" + others + "[profile etl]\n" + keys}, ""},
		"container":               {map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": "%s/container"}, nil, "container"},
		"web identity":            {map[string]string{"AWS_WEB_IDENTITY_TOKEN_FILE": "HOME/.aws/token", "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/etl"}, map[string]string{"token": "jwt"}, "sts"},
		"web identity, a profile": {nil, map[string]string{"token": "jwt", "config": "[default]\n" + role + "web_identity_token_file = HOME/.aws/token\n"}, "sts"},
		"the machine":             {map[string]string{"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "%s"}, nil, "machine"},
		"credential_process":      {nil, map[string]string{"config": "[default]\ncredential_process = HOME/.aws/process\n", "process": "#!/bin/sh\nsed s/Token.:..,/Version\\\":1,/ <<X\n" + fmt.Sprintf(`{"Version":1,"AccessKeyId":%q,"SecretAccessKey":%q}`, s3test.AccessKey, s3test.SecretKey) + "\nX\n"}, ""},
		"role and source_profile": {map[string]string{"AWS_PROFILE": "etl"}, map[string]string{"config": "[profile etl]\n" + role + "source_profile = base\n[profile base]\n" + others}, "sts"},
		"role and Environment":    {map[string]string{"AWS_PROFILE": "etl", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, map[string]string{"config": "[profile etl]\n" + role + "credential_source = EcsContainer\n"}, "sts"},
		"sso": {nil, map[string]string{
			"config": "[default]\nsso_session = company\nsso_account_id = 123456789012\nsso_role_name = analyst\n[sso-session company]\nsso_region = us-east-1\nsso_start_url = http://127.0.0.1/start\n",
			"sso/cache/" + hex.EncodeToString(cached[:]) + ".json": fmt.Sprintf(`{"accessToken":"login","expiresAt":%q}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339)),
		}, "sso"},
	} {
		t.Run(name, func(t *testing.T) {
			s3test.Use(t, server.Addr)
			a := newAuthority(t)
			for _, clear := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
				t.Setenv(clear, "")
			}
			t.Setenv("AWS_ENDPOINT_URL_STS", a.URL)
			t.Setenv("AWS_ENDPOINT_URL_SSO", a.URL)
			t.Setenv("AWS_ENDPOINT_URL_SSO_OIDC", a.URL)
			t.Setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", a.URL)
			if strings.HasPrefix(name, "role and Env") {
				t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", a.URL+"/container")
			}
			home(t, nil)
			dir := os.Getenv("HOME")
			for file, text := range c.files {
				c.files[file] = strings.ReplaceAll(text, "HOME", dir)
			}
			for file, text := range c.files {
				path := filepath.Join(dir, ".aws", file)
				must(t, os.MkdirAll(filepath.Dir(path), 0o700))
				must(t, os.WriteFile(path, []byte(text), 0o700))
			}
			for variable, value := range c.env {
				t.Setenv(variable, strings.ReplaceAll(strings.ReplaceAll(value, "%s", a.URL), "HOME", dir))
			}
			b := open(t, "s3://bucket/"+hex.EncodeToString([]byte(name)))
			put(t, b, "x", []byte("rows"))
			for who, count := range a.asked {
				wanted := who == c.asked || who == "container" && strings.HasPrefix(name, "role and Env")
				if n := count.Load(); (n > 0) != wanted || n > 2 {
					t.Errorf("%s was asked %d times", who, n)
				}
			}
		})
	}
}

// TestNoCredentialsAnywhere is said at once, with what to do.
func TestNoCredentialsAnywhere(t *testing.T) {
	server := s3test.Start(t, "bucket")
	for name, c := range map[string]struct{ config, says, remedy string }{
		"nothing":      {"", "no credentials", "AWS_PROFILE"},
		"a login":      {"[default]\nsso_session = company\nsso_account_id = 1\nsso_role_name = analyst\n[sso-session company]\nsso_region = us-east-1\nsso_start_url = http://127.0.0.1/start\n", "a file with credentials is missing", "aws sso login"},
		"a process":    {"[default]\ncredential_process = /nonexistent/process\n", "process", ""},
		"another role": {"[default]\nrole_arn = arn:aws:iam::123456789012:role/other\nsource_profile = base\n[profile base]\naws_access_key_id = a\naws_secret_access_key = b\n", "refused", "sts:AssumeRole"},
	} {
		t.Run(name, func(t *testing.T) {
			s3test.Use(t, server.Addr)
			refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusForbidden)
				_, _ = w.Write([]byte(`<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>`))
			}))
			t.Cleanup(refusing.Close)
			t.Setenv("AWS_ENDPOINT_URL_STS", refusing.URL)
			t.Setenv("AWS_ENDPOINT_URL_SSO", refusing.URL)
			t.Setenv("AWS_ACCESS_KEY_ID", "")
			t.Setenv("AWS_SECRET_ACCESS_KEY", "")
			home(t, map[string]string{"config": c.config})
			_, err := open(t, "s3://bucket").Get(t.Context(), "x")
			if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(Remedy(err), c.remedy) || (Remedy(err) == "") != (c.remedy == "") {
				t.Errorf("%v, remedy %q", err, Remedy(err))
			}
		})
	}
}

// TestServerAndRegionOfTheProfile are read from ~/.aws/config; variables win.
func TestServerAndRegionOfTheProfile(t *testing.T) {
	const profile = "[default]\nregion = eu-west-9\nendpoint_url = http://127.0.0.1:1\n"
	const services = "services = own\n[services own]\ns3 =\n  endpoint_url = http://127.0.0.1:2\n"
	for name, c := range map[string]struct {
		config   string
		env      map[string]string
		host     string
		region   string
		refusals string
	}{
		"nothing":             {"", nil, "s3.amazonaws.com", "", ""},
		"endpoint_url":        {profile, nil, "127.0.0.1:1", "eu-west-9", ""},
		"services":            {profile + services, nil, "127.0.0.1:2", "eu-west-9", ""},
		"AWS_ENDPOINT_URL":    {profile + services, map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:3", "AWS_REGION": "eu-west-8"}, "127.0.0.1:3", "eu-west-8", ""},
		"AWS_ENDPOINT_URL_S3": {profile + services, map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:3", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:4"}, "127.0.0.1:4", "eu-west-9", ""},
		"ignored":             {profile + services, map[string]string{"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, "s3.amazonaws.com", "eu-west-9", ""},
		"a server, no region": {"[default]\nendpoint_url = http://127.0.0.1:1\n", nil, "127.0.0.1:1", "us-east-1", ""},
		"not TLS":             {"[default]\nendpoint_url = http://s3.example.com\n", nil, "", "", "endpoint_url of the profile wants https"},
		"no such profile":     {profile, map[string]string{"AWS_PROFILE": "other"}, "", "", "other"},
	} {
		t.Run(name, func(t *testing.T) {
			s3test.Use(t, "127.0.0.1:9")
			for _, clear := range []string{"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"} {
				t.Setenv(clear, "")
			}
			home(t, map[string]string{"config": c.config})
			for variable, value := range c.env {
				t.Setenv(variable, value)
			}
			s, err := readSettings()
			if c.refusals != "" {
				if err == nil || !strings.Contains(err.Error(), c.refusals) {
					t.Errorf("%v, want %q", err, c.refusals)
				}
				return
			}
			if err != nil || s.host != c.host || s.region != c.region {
				t.Errorf("%+v, %v", s, err)
			}
		})
	}
}
