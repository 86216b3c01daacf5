// Package value reads the texts of numbers, amounts and times as the Roistat API
// spells them, without loss or not at all: no float64 lies between a text and
// its value.
//
// A number is a text by JSON's grammar, be it a JSON number or the content of a
// JSON string: no blanks, no leading zeros, no plus. 5, 5.0, 50e-1 are the same
// whole number. An amount has two decimals; digits behind them are dropped only
// when they are the noise of a float, which is when they lie within 1e-6 of the
// rounded amount.
//
// All functions are pure, need no memory and take time linear in the length of
// their text, however large an exponent is.
package value
