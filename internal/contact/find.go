package contact

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	minPhone, maxPhone = 7, 15 // digits that a phone has within other text
	minName, maxName   = 2, 4  // words of a full name
	minNameLetters     = 8     // below them a name is too common to stand for somebody
)

// Find calls visit with all that may be a contact or a full name of somebody in a
// text, each in the spelling in which equal ones are equal: the whole text as
// [Any] has it, each email, each run of digits that a phone may be, each few
// words that a name may be. It goes on for as long as visit returns true, and
// reports whether it came to the end.
func Find(text string, visit func(string) bool) bool {
	if whole := Any(text); whole != "" && !visit(whole) {
		return false
	}
	return findEmails(text, visit) && findPhones(text, visit) && findNames(text, visit)
}

// findEmails visits what stands around each @, up to space or what separates.
func findEmails(text string, visit func(string) bool) bool {
	if !strings.Contains(text, "@") {
		return true
	}
	for _, part := range strings.FieldsFunc(text, isSeparator) {
		if part = strings.Trim(part, "."); strings.Contains(part, "@") && !visit(Email(part)) {
			return false
		}
		for _, value := range strings.FieldsFunc(part, isOfURL) { // these signs an email may have, but seldom has
			if value = strings.Trim(value, "."); strings.Contains(value, "@") && !visit(Email(value)) {
				return false
			}
		}
	}
	return true
}

func isOfURL(r rune) bool { return strings.ContainsRune("=?&#!", r) }

func isSeparator(r rune) bool {
	return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(`<>()[]{},;:"'|/\«»“”`+"`", r)
}

// findPhones visits each few groups of digits, with only what phones are written
// with between them, that together have as many digits as a phone.
func findPhones(text string, visit func(string) bool) bool {
	var groups []string // of the run under way
	for i := 0; i < len(text); {
		end := i
		for end < len(text) && text[end] >= '0' && text[end] <= '9' {
			end++
		}
		if end == i {
			if !strings.ContainsRune(" \t()-+./", rune(text[i])) {
				groups = groups[:0]
			}
			i++
			continue
		}
		groups = append(groups, text[i:end])
		joined := ""
		for n := len(groups) - 1; n >= 0 && len(joined)+len(groups[n]) <= maxPhone; n-- {
			joined = groups[n] + joined
			if len(joined) >= minPhone && !visit(Phone(joined)) {
				return false
			}
		}
		i = end
	}
	return true
}

// findNames visits each few words in a row, in the order of the alphabet, since
// some write the family's name first.
func findNames(text string, visit func(string) bool) bool {
	words := wordsOf(text)
	for end := minName; end <= len(words); end++ {
		for n := minName; n <= min(maxName, end); n++ {
			if name := joinName(words[end-n : end]); name != "" && !visit(name) {
				return false
			}
		}
	}
	return true
}

// Name is a full name in the spelling in which equal ones are equal; "" if the
// text is none: one word, or more than a few, or too short to stand for somebody.
func Name(text string) string {
	words := wordsOf(text)
	if len(words) < minName || len(words) > maxName {
		return ""
	}
	return joinName(words)
}

// wordsOf gives the words of a text that names are made of.
func wordsOf(text string) []string {
	words := strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsMark(r) })
	return slices.DeleteFunc(words, func(w string) bool { return utf8.RuneCountInString(w) < 2 })
}

func joinName(words []string) string {
	words = slices.Clone(words)
	slices.Sort(words)
	if name := strings.Join(words, " "); utf8.RuneCountInString(name) >= minNameLetters {
		return name
	}
	return ""
}

// MaybeAll are the spellings of a phone or email that stands in a field of its
// own, or of several that share it.
func MaybeAll(text string) (list []string) {
	Find(text, func(s string) bool {
		if strings.Contains(s, "@") || strings.Trim(s, "0123456789") == "" {
			list = append(list, s)
		}
		return true
	})
	for _, s := range list {
		if len(s) == 11 && s[0] == '7' { // as it is written without the country
			list = append(list, s[1:])
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}
