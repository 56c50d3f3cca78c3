-- The rival: what a careful team writes when it has no proxy.
CREATE FUNCTION fan_out_items() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        DELETE FROM order_items WHERE order_id = NEW.id;
    END IF;
    INSERT INTO order_items (order_id, sku, qty, price_cents)
    SELECT NEW.id, i.sku, i.qty, i.price_cents
    FROM jsonb_to_recordset(NEW.items) AS i (sku text, qty int, price_cents int);
    RETURN NULL;
END $$;
CREATE TRIGGER items_inserted AFTER INSERT ON orders
    FOR EACH ROW EXECUTE FUNCTION fan_out_items();
CREATE TRIGGER items_updated AFTER UPDATE OF items ON orders
    FOR EACH ROW WHEN (OLD.items IS DISTINCT FROM NEW.items) EXECUTE FUNCTION fan_out_items();

CREATE FUNCTION derive_status() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.status := CASE WHEN NEW.is_active THEN 'active' ELSE 'disabled' END;
    RETURN NEW;
END $$;
CREATE TRIGGER status_derived BEFORE UPDATE OF is_active ON users
    FOR EACH ROW WHEN (OLD.is_active IS DISTINCT FROM NEW.is_active) EXECUTE FUNCTION derive_status();
