// Package admin is the HTTP face of a running pgjanus: metrics, health, and
// the JSON API that operators, scripts and the other verbs use.
//
//	GET  /healthz      200 while the process works
//	GET  /readyz       200, or 503 with the reasons as text
//	GET  /metrics      Prometheus text
//	GET  /api/status   Status
//	GET  /api/statements?migration=NAME
//	                   Statements, or 404 and Rejected
//	POST /api/reload?strict=true|false
//	                   Reloaded, or 422 and Rejected
//
// It never decides anything: what it shows comes from the functions in
// Options. It serves no profiles, no constant of a statement and no connection
// strings, and it
// knows no passwords, so it belongs on an address that only operators reach.
//
// Start reading at Server.ServeHTTP; Client is the other end.
package admin
