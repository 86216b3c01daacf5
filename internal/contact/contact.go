// Package contact knows when two spellings name the same person: phones by their
// digits, emails without regard to case.
package contact

import "strings"

// Email is an email in the spelling in which equal ones are equal.
func Email(text string) string { return strings.ToLower(strings.TrimSpace(text)) }

// Phone is a phone in the spelling in which equal ones are equal: its digits, the
// 8 of eleven that begin with it, as Russians dial, as the 7 that it stands for.
func Phone(text string) string {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, text)
	if len(digits) == 11 && digits[0] == '8' {
		return "7" + digits[1:]
	}
	return digits
}

// Any is a contact of either kind; "" is none.
func Any(text string) string {
	if strings.Contains(text, "@") {
		return Email(text)
	}
	return Phone(text)
}
