//go:build unix && !linux

package main

import "syscall"

// detached keeps an interrupt at the terminal away from a child, which we stop
// in our own order.
func detached(cred *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: cred}
}
