package pipeline

import (
	"context"
	"net/url"
	"strings"

	"roistat-etl/extract/mirror"
	"roistat-etl/internal/endpoint"
	"roistat-etl/pipeline/config"
)

// The mirror's keys for what it was filled from.
const (
	metaProject = "project"
	metaBaseURL = "base_url"
)

// identify makes sure that a mirror holds what the pipeline's project said, and
// notes it in one that doesn't know yet. Another address of the same project, as
// that of a proxy, may be adopted; another project never.
func identify(ctx context.Context, m *mirror.Mirror, p *config.Pipeline, adopt bool) error {
	project, address, err := filledFrom(ctx, m.Reader)
	if err != nil {
		return err
	}
	if err := refuseOther(p, project, address, adopt); err != nil {
		return err
	}
	for key, value := range map[string]string{metaProject: p.Project, metaBaseURL: addressOf(p.API.BaseURL)} {
		have, err := m.Meta(ctx, key)
		if err == nil && have != value {
			err = m.SetMeta(ctx, key, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// refuseOther fails where the configuration is not that of what the mirror was
// filled from; empty texts are not known.
func refuseOther(p *config.Pipeline, project, address string, adopt bool) error {
	switch now := addressOf(p.API.BaseURL); {
	case project != "" && project != p.Project:
		return classed(Misconfigured, "the mirror %s holds the clients of project %s, and the configuration says project %s: give each project a mirror of its own",
			p.Mirror, project, p.Project)
	case address != "" && address != now && !adopt:
		return classed(Misconfigured, "the mirror %s was filled from %s, and the configuration says %s: give each project a mirror of its own; if it is the same project at another address, run once with --adopt",
			p.Mirror, address, now)
	}
	return nil
}

// filledFrom tells which project a mirror was filled from, and at which address;
// empty where nobody knows. Mirrors of older programs say it in their last report.
func filledFrom(ctx context.Context, m *mirror.Reader) (project, address string, err error) {
	if project, err = m.Meta(ctx, metaProject); err != nil {
		return "", "", err
	}
	if address, err = m.Meta(ctx, metaBaseURL); err != nil || project != "" {
		return project, address, err
	}
	runs, err := m.Runs(ctx, 1)
	if err != nil || len(runs) == 0 {
		return "", address, err
	}
	last, err := readKept(runs[0])
	if err != nil {
		return "", address, err
	}
	return last.Project, address, nil
}

// addressOf gives equal addresses one spelling: without the scheme's own port, a
// root's dot, capital letters in the host, or slashes at the end. On loopback any
// port is the same.
func addressOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	u.Scheme = strings.ToLower(u.Scheme)
	host, port := strings.TrimSuffix(strings.ToLower(u.Hostname()), "."), u.Port()
	if endpoint.Loopback(host) { // a tunnel's or a stand-in's port is another each time
		host, port = "localhost", ""
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" && port != map[string]string{"http": "80", "https": "443"}[u.Scheme] {
		host += ":" + port
	}
	u.Host, u.Path, u.RawPath = host, strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	return u.String()
}
