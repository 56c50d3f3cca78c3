package pgserver

import "syscall"

// attributes puts the server into a process group of its own, so that an
// interrupt at the terminal reaches us and not the server, and has the kernel
// shut it down when we die. The thread that forks must live on; see supervise.
func attributes(o *owner) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGQUIT}
	if o != nil {
		attr.Credential = o.cred
	}
	return attr
}
