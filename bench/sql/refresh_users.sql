SET session_replication_role = replica;
TRUNCATE users RESTART IDENTITY;
INSERT INTO users (email, is_active, status)
SELECT 'user-' || n || '@example.com', n % 2 = 0, CASE WHEN n % 2 = 0 THEN 'active' ELSE 'disabled' END
FROM generate_series(1, 10000) AS n;
RESET session_replication_role;
