package catalog

import "testing"

func TestABodyWritesWhatAVerbHasBehindIt(t *testing.T) {
	of := targets{{"public", "ev"}, {"public", "Things"}, {"odd", `my "table"`}, {"odd", "prix€"}}
	for body, want := range map[string]bool{
		`UPDATE ev SET n = 1`:                                    true,
		`update Public . EV /* so */ set n = 1`:                  true,
		`UPDATE ONLY ev SET n = 1`:                               true,
		`UPDATE ONLY (ev) SET n = 1`:                             true,
		`INSERT INTO "ev" VALUES (1)`:                            true,
		`DELETE FROM ONLY shop.public.ev`:                        true,
		`MERGE INTO ev USING x ON true WHEN MATCHED THEN DELETE`: true,
		`TRUNCATE a, ONLY b *, public.ev`:                        true,
		`TRUNCATE TABLE ev`:                                      true,
		`COPY ev FROM '/x'`:                                      true,
		`WITH w AS (DELETE FROM ev RETURNING *) SELECT FROM w`:   true,
		`UPDATE "Things" SET n = 1`:                              true,
		`UPDATE odd."my ""table""" SET n = 1`:                    true,
		`UPDATE prix€ SET n = 1`:                                 true,

		`UPDATE ev_a SET n = 1`:                                           false,
		`UPDATE prev SET n = 1`:                                           false,
		`UPDATE ev$1 SET n = 1`:                                           false,
		`UPDATE "ev a" SET n = 1`:                                         false,
		`UPDATE "EV" SET n = 1`:                                           false,
		`UPDATE Things SET n = 1`:                                         false,
		`UPDATE other.ev SET n = 1`:                                       false,
		`UPDATE prix SET n = 1`:                                           false,
		`SELECT count(*) FROM ev`:                                         false,
		`INSERT INTO log SELECT * FROM ev`:                                false,
		`SELECT FROM ev FOR UPDATE`:                                       false,
		`SELECT FROM ev WHERE note = 'please do update'`:                  false,
		`-- UPDATE ev SET n = 1`:                                          false,
		`/* UPDATE ev */ SELECT 1`:                                        false,
		`NEW.ev := now(); RETURN NEW`:                                     false,
		`IF TG_OP = 'UPDATE' THEN SELECT count(*) INTO n FROM ev; END IF`: false,
		``: false,

		`EXECUTE 'UPDATE ev SET n = 1'`:                                true,
		`EXECUTE E'UPDATE \"Things\" SET n = \'1\''`:                   true,
		`EXECUTE $q$ EXECUTE 'DELETE FROM ev' $q$`:                     true,
		`EXECUTE $$UPDATE ev`:                                          true,
		`EXECUTE format('UPDATE %I SET n = 1', 'Things')`:              true,
		`EXECUTE format('UPDATE %s SET n = 1', 'ev'::regclass)`:        true,
		`EXECUTE 'UPDATE ' || quote_ident('my "table"')`:               true,
		`PERFORM dblink_exec('', 'UPDATE ' || 'ev')`:                   true,
		`PERFORM dblink_exec('', 'UPDATE ev SET n = 1')`:               true,
		`EXECUTE format('INSERT INTO log_%s VALUES (1)', 'ev_a')`:      false,
		`EXECUTE format('ANALYZE %I', 'ev')`:                           false,
		`IF TG_OP = 'DELETE' THEN EXECUTE format('LOCK %I', 'ev')`:     false,
		`RAISE EXCEPTION 'cannot delete'; SELECT count(*) FROM ev`:     false,
		`EXECUTE 'SELECT ''UPDATE''' || ' FROM "evil"'; SELECT 'prev'`: false,
	} {
		if got := of.writtenBySQL(body); got != want {
			t.Errorf("%s\ngives %v, want %v", body, got, want)
		}
	}
}

func TestABodyInAnotherLanguageHasVerbAndName(t *testing.T) {
	of := targets{{"public", "ev"}, {"public", "Things"}, {"odd", "my table"}}
	for body, want := range map[string]bool{
		`plpy.execute("UPDATE ev SET n = 1")`:             true,
		`plpy.execute('update "Things" set n = 1')`:       true,
		`plpy.execute("DELETE FROM {}".format('EV'))`:     true,
		`plpy.execute('INSERT INTO "my table"')`:          true,
		`plpy.execute("UPDATE ev_a SET n = 1")`:           false,
		`plpy.execute("SELECT FROM ev")`:                  false,
		`spi_exec_query("UPDATE prev SET updated = ev1")`: false,
	} {
		if got := of.writtenByText(body); got != want {
			t.Errorf("%s\ngives %v, want %v", body, got, want)
		}
	}
}

func TestNeedlesAreFew(t *testing.T) {
	of := targets{{"public", "Ev_2024"}, {"public", "ev"}, {"public", `a"long'er`}, {"public", `"`}}
	if got := of[:3].needles(); len(got) != 2 || got[0] != "ev" || got[1] != "long" {
		t.Errorf("got %q", got)
	}
	if got := of.needles(); len(got) != 1 || got[0] != "" {
		t.Errorf("got %q, which a body that names %q need not have", got, of[3])
	}
}
