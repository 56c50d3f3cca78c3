//go:build !linux

package demo

import "syscall"

// attributes puts a child into a process group of its own, so that an
// interrupt at the terminal reaches us and we end things in order.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
