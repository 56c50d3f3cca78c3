//go:build unix && !linux

package pgserver

import "syscall"

// attributes puts the server into a process group of its own, so that an
// interrupt at the terminal reaches us and not the server.
func attributes(o *owner) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if o != nil {
		attr.Credential = o.cred
	}
	return attr
}
