package pipeline

import (
	"os"
	"strings"
	"testing"

	"roistat-etl/extract/mirror"
)

// TestADamagedMirrorIsToldAsOne in the same words by whoever meets it, and never
// as another mirror or as something that running again mends.
func TestADamagedMirrorIsToldAsOne(t *testing.T) {
	for name, damage := range map[string]func(f *os.File, size int64) error{
		"cut in half":     func(f *os.File, size int64) error { return f.Truncate(size / 2 / 4096 * 4096) },
		"cut to its head": func(f *os.File, _ int64) error { return f.Truncate(100) },
		"noise": func(f *os.File, size int64) error {
			noise := []byte(strings.Repeat("noise and more noise ", 190))
			for at := int64(4096); at < size; at += 4096 {
				if _, err := f.WriteAt(noise, at); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := quickStand(t, 60)
			s.run(t, nil).want(t, OK)
			f, err := os.OpenFile(s.pipeline.Mirror, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			info, err := f.Stat()
			if err == nil {
				err = damage(f, info.Size())
			}
			if err != nil || f.Close() != nil {
				t.Fatal(err)
			}
			said := map[string]string{}
			r := s.run(t, nil).want(t, Failed)
			said["run"] = *r.Error
			said["forget"] = *s.forget(t, 7).want(t, Failed).Error
			if r := s.importFile(t, "id,name\n1,A\n", nil); r.Error != nil {
				said["import"] = *r.Error
			}
			_, err = ReadStatus(t.Context(), s.pipeline, StatusOptions{Runs: 5})
			said["status"] = errorText(err)
			_, err = MakePlan(t.Context(), s.pipeline, s.options)
			said["plan"] = errorText(err)
			lines, class := s.check(t)
			said["check"] = strings.Join(lines, "\n")
			if class != Broken {
				t.Errorf("check: %v", class)
			}
			for what, text := range said {
				if !strings.Contains(text, mirror.ErrDamaged.Error()) || strings.Contains(text, "adopt") || strings.Contains(text, "run again later") || strings.Contains(text, "is kept") {
					t.Errorf("%s says %s", what, text)
				}
			}
		})
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
