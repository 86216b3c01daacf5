// Package privacy searches all that the program leaves for what it must not:
// the key, the salt and, where rules hide them, persons. A stand-in API gives it
// persons whose names, phones and addresses nothing else has, in every place
// where a person can be; then everything is done that can be done, runs that fail
// and one that is killed among it, and every file, line, report, process title
// and row is searched.
//
// That the search finds what it should is proven by a second program, built from
// the same sources with leaks put in.
package privacy
