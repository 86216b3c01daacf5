package config

import (
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // time zones must load on machines that have none
)

// Share is a part of a whole: 0.01 is 1%.
type Share float64

// String gives the share in percent, as the file writes it.
func (s Share) String() string {
	return strconv.FormatFloat(float64(s)*100, 'g', 12, 64) + "%"
}

// Bytes is a size in bytes.
type Bytes int64

// units are the sizes' names, the greatest first.
func units() []struct {
	name string
	size Bytes
} {
	return []struct {
		name string
		size Bytes
	}{{"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"KB", 1e3}, {"B", 1}}
}

// String gives the size in the greatest binary unit that divides it.
func (b Bytes) String() string {
	for _, u := range units() {
		if strings.HasSuffix(u.name, "iB") && b >= u.size && b%u.size == 0 {
			return fmt.Sprintf("%d%s", b/u.size, u.name)
		}
	}
	return strconv.FormatInt(int64(b), 10)
}

// whole takes whole numbers from low to high.
func whole[N int | int64](low, high N) func(scalar) (N, error) {
	return func(s scalar) (N, error) {
		n, err := strconv.ParseInt(s.text, 10, 64)
		if err != nil || s.quoted || strings.HasPrefix(s.text, "+") || N(n) < low || N(n) > high {
			return 0, s.wants(numberWords(int64(low), int64(high)))
		}
		return N(n), nil
	}
}

func numberWords(low, high int64) string {
	if high == math.MaxInt {
		return fmt.Sprintf("a whole number of %d or more", low)
	}
	return fmt.Sprintf("a whole number from %d to %d", low, high)
}

// rate takes numbers above 0, decimals among them.
func rate(s scalar) (float64, error) {
	f, err := strconv.ParseFloat(s.text, 64)
	if err != nil || s.quoted || !(f > 0) || math.IsInf(f, 0) || strings.ContainsAny(s.text, "xXpP_") {
		return 0, s.wants("a number above 0")
	}
	return f, nil
}

// lasting takes durations of low or more.
func lasting(low time.Duration) func(scalar) (time.Duration, error) {
	return func(s scalar) (time.Duration, error) {
		d, err := time.ParseDuration(s.text)
		if err != nil || d < low {
			return 0, s.wants(durationWords(low))
		}
		return d, nil
	}
}

func durationWords(low time.Duration) string {
	if low > 0 {
		return "a duration above 0 such as 60s or 20h"
	}
	return "a duration such as 60s or 20h"
}

// size takes a number of bytes with a unit, from low to high.
func size(low, high Bytes) func(scalar) (Bytes, error) {
	return func(s scalar) (Bytes, error) {
		digits, unit := strings.TrimRight(s.text, "KMGiB"), Bytes(1)
		for _, u := range units() {
			if s.text == digits+u.name {
				unit = u.size
			}
		}
		n, err := strconv.ParseUint(digits, 10, 31)
		if err != nil || unit == 1 && digits != strings.TrimSuffix(s.text, "B") || Bytes(n) > high/unit || Bytes(n)*unit < low {
			return 0, s.wants(fmt.Sprintf("a size from %v to %v such as 64MiB", low, high))
		}
		return Bytes(n) * unit, nil
	}
}

// percentage takes 0% to 100%.
func percentage(s scalar) (Share, error) {
	digits, ok := strings.CutSuffix(s.text, "%")
	f, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || strings.Trim(digits, "0123456789.") != "" || f > 100 {
		return 0, s.wants("a percentage from 0% to 100% such as 1%")
	}
	return Share(f / 100), nil
}

// word takes one of a few words.
func word(words ...string) func(scalar) (string, error) {
	return func(s scalar) (string, error) {
		if !slices.Contains(words, s.text) {
			last := len(words) - 1
			return "", s.wants(strings.Join(words[:last], ", ") + " or " + words[last])
		}
		return s.text, nil
	}
}

// matching takes texts that match, and says in words what that means.
func matching(pattern *regexp.Regexp, words string) func(scalar) (string, error) {
	return func(s scalar) (string, error) {
		if !pattern.MatchString(s.text) {
			return "", s.wants(words)
		}
		return s.text, nil
	}
}

// project takes a project's digits. YAML reads an unquoted 0123 as octal or as
// decimal, according to its version, so that isn't taken.
func project(s scalar) (string, error) {
	if strings.Trim(s.text, "0123456789") != "" || s.text == "" || len(s.text) > 20 {
		return "", s.wants("the digits of the project's number")
	}
	if strings.HasPrefix(s.text, "0") && !s.quoted && s.text == s.raw {
		return "", fmt.Errorf(`wants quotes around a number with leading zeros: "%s"`, s.text)
	}
	return s.text, nil
}

// zone takes the name of a time zone. Local is none: it differs by machine.
func zone(s scalar) (*time.Location, error) {
	at, err := time.LoadLocation(s.text)
	if err != nil || s.text == "" || s.text == "Local" {
		return nil, s.wants("the name of a time zone such as UTC or Europe/Moscow")
	}
	return at, nil
}

// Bounds of paths: what is made beside and below them has longer names, and systems
// take 255 bytes of a name and 4,096 of a path.
const (
	maxName = 200
	maxPath = 3000
)

// filePath takes a path; a relative one counts from dir.
func filePath(dir string) func(scalar) (string, error) {
	return func(s scalar) (string, error) {
		switch {
		case s.text == "":
			return "", s.wants("a path")
		case strings.ContainsFunc(s.text, isControl):
			return "", s.wants("a path without control characters")
		}
		path := filepath.Clean(s.text)
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		isLong := func(name string) bool { return len(name) > maxName }
		if len(path) > maxPath || slices.ContainsFunc(strings.Split(path, string(filepath.Separator)), isLong) {
			return "", fmt.Errorf("wants a path of at most %d bytes, and %d in each of its names", maxPath, maxName)
		}
		return path, nil
	}
}

// optional takes what parse takes, or an empty text.
func optional(parse func(scalar) (string, error)) func(scalar) (string, error) {
	return func(s scalar) (string, error) {
		if s.text == "" {
			return "", nil
		}
		return parse(s)
	}
}

// eitherPath takes an s3:// URL or a path of a local file or folder.
func eitherPath(dir string) func(scalar) (string, error) {
	local := filePath(dir)
	return func(s scalar) (string, error) {
		if strings.HasPrefix(s.text, s3Scheme) {
			return s3URL(s)
		}
		return local(s)
	}
}
