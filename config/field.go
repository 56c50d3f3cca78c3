package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

const (
	envPrefix = "PGJANUS_"
	tagKey    = "key"
)

// field is one setting of a Settings value.
type field struct {
	key      string
	fallback string
	kind     string
	doc      string
	value    reflect.Value
}

// fields lists the settings of s in the order of the struct.
func fields(s *Settings) []field { return fieldsOf(reflect.ValueOf(s).Elem()) }

func fieldsOf(v reflect.Value) []field {
	var list []field
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		key, tagged := tag.Lookup(tagKey)
		switch {
		case tagged:
			list = append(list, field{
				key:      key,
				fallback: tag.Get("default"),
				kind:     tag.Get("kind"),
				doc:      tag.Get("doc"),
				value:    v.Field(i),
			})
		case v.Field(i).Kind() == reflect.Struct:
			list = append(list, fieldsOf(v.Field(i))...)
		}
	}
	return list
}

// env is the environment variable of the setting: PGJANUS_ADMIN_LISTEN.
func (f field) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(f.key, ".", "_"))
}

// flag is the command-line flag of the setting, without hyphens in front:
// admin-listen.
func (f field) flag() string { return strings.NewReplacer(".", "-", "_", "-").Replace(f.key) }

// text is the value as it could stand in the file.
func (f field) text() string {
	if d, ok := f.value.Interface().(time.Duration); ok {
		return d.String()
	}
	if f.kind == kindBytes {
		return formatBytes(int(f.value.Int()))
	}
	return fmt.Sprint(f.value.Interface())
}

// set parses a text into the field.
func (f field) set(text string) error {
	v, err := parseValue(f.kind, text)
	if err != nil {
		return err
	}
	f.value.Set(reflect.ValueOf(v))
	return nil
}
