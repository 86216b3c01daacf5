// Package privacy makes values of persons into values that don't show them: a
// keyed hash, by which a person still joins across tables, or a mask for the eye.
//
// A hash is the first 32 hexadecimal digits of HMAC-SHA256 with the salt as the
// key. So that a person has one hash however a number or an address is written,
// a phone is first reduced to its digits, of which eleven that begin with 8 begin
// with 7 instead, and an email is trimmed and put in lower case. What stands in a
// phone's column without being one is hashed as it is, an email there as an
// email. A text that is empty is hashed like any other.
//
// A mask shows of an email its first letter and its domain, of a phone its last
// two digits, of any other text its first letter. What shows nothing anyway, an
// empty text, stays as it is.
//
// Everything here is a pure function of the value and the salt.
package privacy
