SELECT count(*) FROM users WHERE is_active IS DISTINCT FROM (status = 'active')
