// Package hostile measures the memory of the real program while an API gives it
// answers that are as large, as deep or as many as they can be.
//
// The answers are made while they are sent and stored nowhere. What counts is
// the peak of the resident set as the kernel gives it when the program has ended.
package hostile
