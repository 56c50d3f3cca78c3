package catalog

import "testing"

// The operators that a printed expression does not show are those that every
// session finds, or it is refused.
func TestOperatorsThatAreLookedUpByNameAreTheSameEverywhere(t *testing.T) {
	conn := database(t, people, `
		CREATE SCHEMA "Odd one";
		CREATE DOMAIN word AS text;
		CREATE TYPE mood AS ENUM ('good', 'bad');
		CREATE FUNCTION mood_eq(mood, mood) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
		CREATE FUNCTION name_eq(varchar, varchar) RETURNS boolean IMMUTABLE LANGUAGE sql AS 'SELECT true';
		CREATE OPERATOR = (FUNCTION = mood_eq, LEFTARG = mood, RIGHTARG = mood);
		CREATE OPERATOR "Odd one".= (FUNCTION = name_eq, LEFTARG = varchar, RIGHTARG = varchar);
		ALTER TABLE people ADD m mood, ADD v varchar`)
	for sql, refused := range map[string]bool{
		"NULLIF(name, 'a')":                                          false,
		"v = 'a' AND m = 'bad'":                                      false,
		"CASE WHEN v = 'a' THEN 1 END":                               false,
		"CASE id WHEN 1 THEN v = 'a' END":                            false,
		"v IN ('a', 'b')":                                            false,
		"(v = 'a') IN (SELECT true)":                                 false,
		"NULLIF(v, 'a'::varchar)":                                    false,
		"v IS DISTINCT FROM name::varchar":                           false,
		"(1, v) IS NOT DISTINCT FROM (id, name::varchar)":            false,
		"CASE v WHEN 'a'::varchar THEN 1 END":                        true,
		"v IN (SELECT name::varchar)":                                false,
		"(1, v) IN (SELECT id, name::varchar)":                       false,
		"(SELECT count(*) FROM people a JOIN people b USING (v))":    true,
		"(SELECT count(*) FROM people a JOIN people b ON a.v = b.v)": false,
		"(SELECT count(*) FROM people a NATURAL JOIN people b)":      true,
		"NULLIF(m, 'bad')":                                           true,
		"m IS DISTINCT FROM 'bad'":                                   true,
		"(1, m) IS NOT DISTINCT FROM (id, 'bad'::mood)":              true,
		"m IN (SELECT 'bad'::mood)":                                  false,
		"(1, m) IN (SELECT id, 'bad'::mood)":                         true,
		"CASE m WHEN 'bad' THEN 1 END":                               true,
		"CASE WHEN m OPERATOR(pg_catalog.=) 'bad' THEN 1 END":        false,
	} {
		e := resolveOne(t, conn, ScalarOverOld, "people", sql)
		if (e.Err != nil) != refused {
			t.Errorf("%s: refused: %t; %+v", sql, e.Err != nil, e.Err)
		}
	}
}
