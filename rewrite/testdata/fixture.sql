-- What the goldens name besides the canonical tables, and how a database gets
-- back to where it was between two of them. It stands on the canonical tables,
-- with rows, with or without what the migrations add.

ALTER TABLE orders ALTER updated_at SET DEFAULT '2026-01-01 00:00Z';
UPDATE orders SET updated_at = '2026-01-01 00:00Z';

CREATE VIEW order_view AS SELECT id, customer, items FROM orders;
CREATE SCHEMA "Mixed Case";
CREATE TABLE "Mixed Case"."Order" ("Id" int PRIMARY KEY, "Quoted ""name""" text);
INSERT INTO "Mixed Case"."Order" VALUES (1, 'one'), (2, 'two');
CREATE TABLE staging (id bigint PRIMARY KEY, customer text, items jsonb DEFAULT '[]', note text, is_active boolean DEFAULT true, n int);
INSERT INTO staging VALUES (2, 'c2', '[{"sku": "s2", "qty": 2}]', 'n2', false, 2), (3, 'c3', '[]', 'n3', true, 3), (50, 'c50', '[{"sku": "s50"}]', NULL, false, 5);
CREATE TABLE t (id bigint PRIMARY KEY, items jsonb);
INSERT INTO t VALUES (1, '[{"sku": "t1", "qty": 1}]'), (4, '[]');
CREATE TABLE audit (id serial PRIMARY KEY, order_id bigint, at text DEFAULT 'now');
CREATE TABLE archive (id int, email text, is_active boolean);
CREATE INDEX orders_customer ON orders (customer);
CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION of_user(u users) RETURNS int LANGUAGE sql AS 'SELECT (u).id';
CREATE FUNCTION an_item(sku text) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$ SELECT jsonb_build_array(jsonb_build_object('sku', sku, 'qty', 1, 'price_cents', 5)) $$;
CREATE PROCEDURE touch_notes(which bigint) LANGUAGE sql AS 'UPDATE orders SET note = ''called'' WHERE id = which';
CREATE SEQUENCE tickets;
CREATE VIEW bought (what, nr, who, label) AS SELECT items, id, customer, upper(note) FROM orders WHERE total_cents > 0;
CREATE VIEW bought_again AS SELECT nr AS number, what AS things, 'x' AS note FROM bought WHERE nr < 100;
CREATE VIEW unkeyed AS SELECT customer, items, note FROM orders;
CREATE VIEW order_notes AS SELECT id, note FROM orders;
CREATE VIEW order_counts AS SELECT customer, count(*) FROM orders GROUP BY customer;
CREATE MATERIALIZED VIEW order_totals AS SELECT customer, sum(total_cents) FROM orders GROUP BY customer;
CREATE VIEW people AS SELECT id AS nr, is_active AS active, email FROM users;
CREATE VIEW known AS SELECT "Id" FROM "Mixed Case"."Order" WHERE "Id" IN (SELECT id FROM orders);
CREATE VIEW known_again AS SELECT * FROM known;
DO $$ BEGIN
	IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'users'::regclass AND attname = 'status') THEN
		CREATE VIEW people_now AS SELECT id AS nr, status AS state, is_active AS active FROM users;
		CREATE VIEW people_now_granted AS SELECT id AS nr, status AS state, is_active AS active FROM users;
		GRANT UPDATE (active) ON people_now_granted TO CURRENT_USER;
		CREATE VIEW order_items_seen AS SELECT id, sku FROM order_items;
	END IF;
END $$;

CREATE SCHEMA fixture;
DO $$
DECLARE name text;
BEGIN
	FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
		EXECUTE format('CREATE TABLE fixture.%I AS SELECT * FROM public.%I t ORDER BY t', 'kept ' || name, name);
	END LOOP;
END $$;

-- reset puts back the rows of every table, and the place of
-- every sequence.
CREATE FUNCTION fixture.reset() RETURNS void LANGUAGE plpgsql SET session_replication_role = replica AS $$
DECLARE name text; changed boolean; columns text;
BEGIN
	FOR name IN SELECT substr(tablename, 6) FROM pg_tables WHERE schemaname = 'fixture' ORDER BY 1 DESC LOOP
		EXECUTE format('SELECT (SELECT string_agg(t::text, E''\n'') FROM public.%I t) IS DISTINCT FROM (SELECT string_agg(t::text, E''\n'') FROM fixture.%I t)',
			name, 'kept ' || name) INTO changed;
		IF changed THEN
			EXECUTE format('DELETE FROM public.%I', name);
			SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns FROM pg_attribute
			WHERE attrelid = format('public.%I', name)::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '';
			EXECUTE format('INSERT INTO public.%I (%s) OVERRIDING SYSTEM VALUE SELECT %2$s FROM fixture.%3$I', name, columns, 'kept ' || name);
		END IF;
	END LOOP;
	FOR name IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' LOOP
		PERFORM setval(format('public.%I', name), 100);
	END LOOP;
END $$;

-- old_shape is what is in the tables, without what the migrations add.
CREATE FUNCTION fixture.old_shape() RETURNS text LANGUAGE plpgsql AS $$
DECLARE name text; part text; result text := '';
BEGIN
	FOR name IN SELECT substr(tablename, 6) FROM pg_tables WHERE schemaname = 'fixture' AND tablename <> 'kept order_items' ORDER BY 1 LOOP
		EXECUTE format('SELECT string_agg(x.r::text, E''\n'' ORDER BY x.r::text) FROM (SELECT to_jsonb(t) - ''status'' - ''id_big'' AS r FROM public.%I t) x', name) INTO part;
		result := result || name || E'\n' || coalesce(part, 'nothing') || E'\n';
	END LOOP;
	RETURN result;
END $$;

-- whole is the same with both shapes, but for the numbers of the new rows.
CREATE FUNCTION fixture.whole() RETURNS text LANGUAGE plpgsql AS $$
DECLARE name text; part text; result text := '';
BEGIN
	FOR name IN SELECT substr(tablename, 6) FROM pg_tables WHERE schemaname = 'fixture' ORDER BY 1 LOOP
		EXECUTE format('SELECT string_agg(x.r::text, E''\n'' ORDER BY x.r::text) FROM (SELECT CASE WHEN %L = ''order_items'' THEN to_jsonb(t) - ''id'' - ''created_at'' ELSE to_jsonb(t) END AS r FROM public.%I t) x', name, name) INTO part;
		result := result || name || E'\n' || coalesce(part, 'nothing') || E'\n';
	END LOOP;
	RETURN result;
END $$;
