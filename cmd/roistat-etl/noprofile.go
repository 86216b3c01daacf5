//go:build !profile

package main

// profile does nothing: profiles are taken with the build tag of that name.
func profile() (stop func()) { return func() {} }
