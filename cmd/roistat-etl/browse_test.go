package main

import (
	"bytes"
	"errors"
	"fmt"
	"image/png"
	"os"
	"os/exec"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// browser finds Chromium, which test/page/install.sh installs.
func browser() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("there is no Chromium on the PATH: run make test, or test/page/install.sh")
}

// browse opens a page in Chromium, leaves the document as the browser
// understood it in dom.html, and demands that the page had nothing to complain of
// and shows something.
func browse(ts *testscript.TestScript, _ bool, args []string) {
	program, err := browser()
	ts.Check(err)
	home, picture := ts.MkAbs("browser"), ts.MkAbs("page.png")
	base := []string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--enable-logging=stderr", "--hide-scrollbars", "--window-size=1200,1600", "--user-data-dir=" + home,
	}
	url := "file://" + ts.MkAbs(args[0])
	for _, flags := range [][]string{{"--dump-dom"}, {"--screenshot=" + picture}} {
		cmd := exec.Command(program, append(append(append([]string{}, base...), flags...), url)...)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Run(); err != nil {
			ts.Fatalf("%s: %v\n%s", program, err, errs.String())
		}
		for line := range strings.Lines(errs.String()) {
			if strings.Contains(line, "CONSOLE") {
				ts.Fatalf("the page complains: %s", line)
			}
		}
		if out.Len() > 0 {
			ts.Check(os.WriteFile(ts.MkAbs("dom.html"), out.Bytes(), 0o600))
		}
	}
	colours, err := coloursOf(picture)
	ts.Check(err)
	if colours < 20 { // with its smoothed letters a page has hundreds
		ts.Fatalf("the page shows %d colours", colours)
	}
	ts.Check(os.RemoveAll(home))
}

// coloursOf counts the colours of a picture.
func coloursOf(path string) (int, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", path, err)
	}
	seen := map[string]bool{}
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y += 2 {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x += 2 {
			seen[fmt.Sprint(img.At(x, y))] = true
		}
	}
	return len(seen), nil
}
