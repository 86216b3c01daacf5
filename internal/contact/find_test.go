package contact

import (
	"slices"
	"strings"
	"testing"
)

func found(text string) (list []string) {
	Find(text, func(s string) bool { list = append(list, s); return true })
	return list
}

func TestFindKnowsContactsWithinTexts(t *testing.T) {
	for _, text := range []string{
		"person5@mail.ru", " Person5@MAIL.ru ", "person5@mail.ru, other5@mail.ru", "other5@mail.ru;person5@mail.ru", "Bob <person5@mail.ru>", `"Bob" <person5@mail.ru>,`,
		"write to person5@mail.ru.", "mailto:person5@mail.ru", "http://x.y/?email=person5@mail.ru&z=1", "(person5@mail.ru)", "«person5@mail.ru»", "a\tperson5@mail.ru\nb",
	} {
		if !slices.Contains(found(text), "person5@mail.ru") {
			t.Errorf("in %q is found %q", text, found(text))
		}
	}
	for _, text := range []string{
		"89161234567", "+7 (916) 123-45-67", "тел. 8 916 123 45 67 (Анна)", "100 89161234567 89160000000", "tel:+79161234567", "8.916.123.45.67", "call 7916/1234567 now", "id 5: 79161234567",
	} {
		if !slices.Contains(found(text), "79161234567") {
			t.Errorf("in %q is found %q", text, found(text))
		}
	}
	for _, text := range []string{"Иван Петров", "петров ИВАН", "feed of Иван Петров (5) can't be built", "<b>Петров</b>, Иван"} {
		if !slices.Contains(found(text), Name("Иван Петров")) {
			t.Errorf("in %q is found %q", text, found(text))
		}
	}
}

func TestFindKnowsNoContactsOfOthers(t *testing.T) {
	for text, other := range map[string]string{
		"joanna@mail.ru": "anna@mail.ru", "anna@mail.ru.com": "anna@mail.ru", "179161234567": "79161234567", "791612345678": "79161234567", "Ян Ли": "ли ян",
		"Иван": "иван", "id 12 costs 100500": "100500", "": "",
	} {
		if slices.Contains(found(text), other) {
			t.Errorf("in %q is found %q", text, other)
		}
	}
	if n := len(found(strings.Repeat("1 ", 1000))); n > 10_000 {
		t.Errorf("many groups of digits give %d candidates", n)
	}
	if Find("a@b.ru c@d.ru", func(s string) bool { return s != "a@b.ru" }) {
		t.Error("it goes on after what was sought")
	}
}

func TestMaybeAllGivesWhatAFieldHolds(t *testing.T) {
	for text, want := range map[string][]string{
		"+7 916 123-45-67": {"79161234567"}, "Bob <b@c.ru>": {"b@c.ru"}, "b@c.ru, 8 916 1234567": {"9161234567", "79161234567", "b@c.ru"}, "none": nil, "": nil,
	} {
		got := MaybeAll(text)
		for _, w := range want {
			if !slices.Contains(got, w) {
				t.Errorf("%q gives %q, not %q", text, got, w)
			}
		}
		if want == nil && got != nil {
			t.Errorf("%q gives %q", text, got)
		}
	}
}
