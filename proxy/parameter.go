package proxy

// onParameter follows the settings that change what a text means.
func (c *core) onParameter(body []byte) {
	name, rest, _ := cstring(body)
	value, _, _ := cstring(rest)
	switch string(name) {
	case "standard_conforming_strings":
		c.env.BackslashEscapes = string(value) == "off"
	case "client_encoding":
		c.env.UnsafeEncoding = unsafeEncoding(string(value))
		c.env.Recoded = string(value) != "UTF8"
		c.encoding = string(value)
	case "application_name":
		c.rename(string(value))
	}
}

// unsafeEncoding reports whether an encoding has ASCII bytes inside characters
// (PG_ENCODING_IS_CLIENT_ONLY in mb/pg_wchar.h).
func unsafeEncoding(name string) bool {
	switch name {
	case "SJIS", "BIG5", "GBK", "UHC", "GB18030", "JOHAB", "SHIFT_JIS_2004":
		return true
	}
	return false
}
