package main

import "syscall"

// detached keeps an interrupt at the terminal away from a child, which we stop
// in our own order, and has the kernel end the child when we die.
func detached(cred *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM, Credential: cred}
}
