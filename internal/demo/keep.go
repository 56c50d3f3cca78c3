package demo

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
)

// keep leaves everything up until the context ends, and says what to try.
func (d *demo) keep(ctx context.Context) error {
	if !d.opts.Keep {
		return nil
	}
	dsn := url.URL{
		Scheme: "postgres", User: url.User(d.proxy.User),
		Host: net.JoinHostPort(d.proxy.Host, strconv.Itoa(int(d.proxy.Port))), Path: "/" + database,
	}
	if d.proxy.Password != "" {
		dsn.User = url.UserPassword(d.proxy.User, "PASSWORD")
	}
	bin, config := d.opts.Binary, d.config()
	_, _ = fmt.Fprintf(d.opts.Stdout, `
Everything stays up until Ctrl-C.

  through pgjanus   %[1]s
  admin API         %[2]s/api/status
  settings, rules   %[3]s, %[4]s

To try:
  psql '%[1]s' -c "UPDATE orders SET items = items || '[{\"sku\": \"SKU-TRY\", \"qty\": 1, \"price_cents\": 4200}]' WHERE id = 1"
  psql '%[1]s' -c "SELECT * FROM order_items WHERE order_id = 1"
  psql '%[1]s' -c "UPDATE users SET is_active = false WHERE id = 1"
  %[5]s explain 'UPDATE users SET is_active = $1 WHERE id = $2' --config %[3]s
  %[5]s verify order-items --config %[3]s
  %[5]s status --config %[3]s
  curl -s %[2]s/metrics | grep pgjanus_
  edit a phase in %[4]s and look at the status again
`, dsn.String(), d.admin.base, config, d.rules(), bin)
	<-ctx.Done()
	if cause := context.Cause(ctx); cause == errServeEnded { //nolint:errorlint // the very cause, not wrapped
		return cause
	}
	d.story.say("Cleaning up")
	return nil
}
