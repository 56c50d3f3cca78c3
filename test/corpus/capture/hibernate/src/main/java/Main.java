// Hibernate 7.4.15, pgjdbc 42.7.14: persist, changed entities flushed, DynamicUpdate, Version, merge, batches, HQL, upserts, StatelessSession, locks, savepoints.
import jakarta.persistence.Column;
import jakarta.persistence.Entity;
import jakarta.persistence.GeneratedValue;
import jakarta.persistence.GenerationType;
import jakarta.persistence.Id;
import jakarta.persistence.LockModeType;
import jakarta.persistence.OptimisticLockException;
import jakarta.persistence.SequenceGenerator;
import jakarta.persistence.Table;
import jakarta.persistence.Version;
import java.net.URI;
import java.sql.Savepoint;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.hibernate.Session;
import org.hibernate.SessionFactory;
import org.hibernate.annotations.DynamicInsert;
import org.hibernate.annotations.DynamicUpdate;
import org.hibernate.annotations.JdbcTypeCode;
import org.hibernate.cfg.Configuration;
import org.hibernate.type.SqlTypes;

public class Main {
    public record Item(String sku, int qty, int price_cents) {}

    @Entity(name = "Order") @Table(name = "orders")
    public static class Order {
        @Id @GeneratedValue(strategy = GenerationType.SEQUENCE, generator = "orders")
        @SequenceGenerator(name = "orders", sequenceName = "orders_id_seq", allocationSize = 1) Long id;
        String customer;
        @Column(name = "total_cents") Integer totalCents;
        @JdbcTypeCode(SqlTypes.JSON) List<Item> items = new ArrayList<>();
        String note;

        Order() {}
        Order(String customer, String... skus) { this.customer = customer; this.items = items(skus); }
    }

    @Entity(name = "User") @Table(name = "users") @DynamicInsert @DynamicUpdate
    public static class User {
        @Id @GeneratedValue(strategy = GenerationType.IDENTITY) Integer id;
        String email;
        @Column(name = "is_active") boolean active = true;

        User() {}
        User(String email) { this.email = email; }
    }

    @Entity(name = "Counter") @Table(name = "counters")
    public static class Counter {
        @Id @GeneratedValue(strategy = GenerationType.IDENTITY) Integer id;
        @Version int n;
        String name;

        Counter() {}
        Counter(String name) { this.name = name; }
    }

    static List<Item> items(String... skus) {
        List<Item> all = new ArrayList<>();
        for (String sku : skus) all.add(new Item(sku, all.size() + 1, 100 * (all.size() + 1)));
        return all;
    }

    public static void main(String[] args) {
        URI dsn = URI.create(args[0]);
        SessionFactory factory = new Configuration()
            .addAnnotatedClass(Order.class).addAnnotatedClass(User.class).addAnnotatedClass(Counter.class)
            .setProperty("hibernate.connection.url", "jdbc:postgresql://" + dsn.getHost() + ":" + dsn.getPort() + dsn.getPath() + "?reWriteBatchedInserts=true")
            .setProperty("hibernate.connection.username", dsn.getUserInfo())
            .setProperty("hibernate.connection.pool_size", "1")
            .setProperty("hibernate.jdbc.batch_size", "20")
            .buildSessionFactory();
        factory.inTransaction(Main::create);
        factory.inTransaction(s -> { Order o = s.find(Order.class, 1L); o.items = items("a"); o.note = "n"; });
        factory.inTransaction(s -> s.find(Order.class, 1L).items.add(new Item("more", 9, 9)));
        factory.inTransaction(s -> { s.find(Order.class, 1L).totalCents = 7; s.find(Order.class, 2L).items = items(); });
        factory.inTransaction(s -> { User u = s.find(User.class, 1); u.active = false; });
        factory.inTransaction(s -> { User u = s.find(User.class, 1); u.email = "z@x"; u.active = true; });
        detached(factory);
        factory.inTransaction(Main::queries);
        factory.inStatelessTransaction(s -> {
            Order o = new Order("stateless", "s");
            s.insert(o); o.items = items("t", "u"); s.update(o);
            Order up = new Order("upsert", "v"); up.id = 3L; s.upsert(up);
            Order fresh = new Order("upsert", "w"); fresh.id = 60L; s.upsert(fresh);
            s.delete(o);
            User u = new User("upsert@x"); u.id = 3; s.upsert(u);
            Counter c = new Counter("upsert"); c.id = 1; s.upsert(c);
        });
        versions(factory);
        factory.inTransaction(Main::savepoints);
        try { factory.inTransaction(s -> { s.persist(new Order("gone", "g")); s.flush(); throw new IllegalStateException(); }); } catch (IllegalStateException e) { }
        factory.inTransaction(s -> { s.remove(s.find(Order.class, 2L)); s.remove(s.getReference(User.class, 2)); });
        factory.inTransaction(s -> {
            s.createSelectionQuery("from Order order by id", Order.class).getResultList();
            s.createSelectionQuery("select count(*) from User where active", Long.class).getSingleResult();
        });
        factory.close();
    }

    static void create(Session s) {
        s.persist(new Order("ann", "a", "b"));
        s.persist(new Order("bob"));
        s.persist(new Order(null, "c1", "c2", "c3"));
        s.persist(new User("a@x"));
        User paused = new User("b@x"); paused.active = false; s.persist(paused);
        s.persist(new User(null));
        s.persist(new Counter("hits"));
    }

    static void detached(SessionFactory factory) {
        Order o = factory.fromSession(s -> s.find(Order.class, 3L));
        o.items = items("merged"); o.note = "detached";
        factory.inTransaction(s -> s.merge(o));
        User u = factory.fromSession(s -> s.find(User.class, 3));
        u.active = false;
        factory.inTransaction(s -> s.merge(u));
    }

    static void queries(Session s) {
        change(s, "update Order set items = :items, note = 'bulk' where id < 3", q -> q.setParameter("items", items("all")));
        change(s, "update User set active = not active where email like '%@x'", q -> { });
        change(s, "update User u set u.active = case when u.id = 1 then true else false end where u.id in (select v.id from User v where v.email is not null)", q -> { });
        change(s, "insert into User (email, active) values ('hql@x', false), ('hql2@x', true)", q -> { });
        change(s, "insert into User (email, active) select u.email, u.active from User u where u.id = 1", q -> { });
        change(s, "insert into User (id, email, active) values (1, 'up@x', true) on conflict (id) do update set email = excluded.email, active = excluded.active", q -> { });
        change(s, "insert into User (id, email, active) values (1, 'no@x', true) on conflict do nothing", q -> { });
        change(s, "delete User where active = false and id > 3", q -> { });
        s.createNativeMutationQuery("update orders set items = items || cast(:item as jsonb) where id = :id").setParameter("item", "[{\"sku\": \"native\"}]").setParameter("id", 1L).executeUpdate();
        s.createNativeQuery("update users set is_active = true where id = 1 returning id", Integer.class).getResultList();
    }

    static void change(Session s, String hql, Consumer<org.hibernate.query.MutationQuery> parameters) {
        var query = s.createMutationQuery(hql);
        parameters.accept(query);
        query.executeUpdate();
    }

    static void versions(SessionFactory factory) {
        Counter stale = factory.fromSession(s -> s.find(Counter.class, 1));
        factory.inTransaction(s -> s.find(Counter.class, 1).name = "seen");
        stale.name = "lost";
        try { factory.inTransaction(s -> s.merge(stale)); throw new AssertionError(); } catch (OptimisticLockException e) { }
        try {
            factory.inTransaction(s -> {
                Counter c = s.find(Counter.class, 1);
                s.createNativeMutationQuery("update counters set n = n + 1 where id = 1").executeUpdate();
                c.name = "lost";
            });
            throw new AssertionError();
        } catch (OptimisticLockException e) { }
        factory.inTransaction(s -> s.find(Counter.class, 1, LockModeType.PESSIMISTIC_FORCE_INCREMENT));
        factory.inTransaction(s -> change(s, "update versioned Counter set name = 'bulk' where id = 1", q -> { }));
        factory.inTransaction(s -> { s.persist(new Counter("second")); s.flush(); s.remove(s.find(Counter.class, 1)); });
    }

    static void savepoints(Session s) {
        Order o = s.find(Order.class, 1L, LockModeType.PESSIMISTIC_WRITE);
        o.items = items("locked");
        s.flush();
        s.doWork(c -> {
            Savepoint before = c.setSavepoint("before_user");
            try (var insert = c.prepareStatement("insert into users (id, email) values (?, ?)")) {
                insert.setInt(1, 1); insert.setString(2, "twice@x"); insert.executeUpdate();
            } catch (java.sql.SQLException e) {
                c.rollback(before);
            }
        });
        s.persist(new User("inside@x"));
    }
}
