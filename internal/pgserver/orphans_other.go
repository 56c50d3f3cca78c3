//go:build unix && !linux

package pgserver

// killOrphans does nothing here: backends notice by themselves that their
// postmaster is gone, though a busy one only when its statement ends.
func killOrphans(string) {}
