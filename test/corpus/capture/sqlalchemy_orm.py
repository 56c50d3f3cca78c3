# SQLAlchemy 2.1.9, psycopg 3.3.9: declarative models, unit of work, bulk, upsert, versioning, savepoints.
import sys
from sqlalchemy import create_engine, select, update, delete, insert, func, Boolean, BigInteger, Integer, Text, case
from sqlalchemy.dialects.postgresql import JSONB, insert as upsert
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, Session

class Base(DeclarativeBase): pass
class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    customer: Mapped[str | None] = mapped_column(Text)
    total_cents: Mapped[int | None] = mapped_column(Integer)
    items: Mapped[list] = mapped_column(JSONB)
    note: Mapped[str | None] = mapped_column(Text)
class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    email: Mapped[str | None] = mapped_column(Text)
    is_active: Mapped[bool] = mapped_column(Boolean, default=True)
class Counter(Base):
    __tablename__ = "counters"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    n: Mapped[int] = mapped_column(Integer, default=0)
    name: Mapped[str | None] = mapped_column(Text)
    __mapper_args__ = {"version_id_col": n}

engine = create_engine(sys.argv[1].replace("postgres://", "postgresql+psycopg://"))
item = lambda sku, qty=1: {"sku": sku, "qty": qty, "price_cents": 100 * qty}
with Session(engine) as s:
    s.add(Order(customer="ann", items=[item("a"), item("b", 2)])); s.commit()
    s.add_all([Order(customer=f"c{i}", items=[item("x", i)], total_cents=i) for i in range(3)]); s.commit()
    o = s.get(Order, 1); o.items = [item("a", 3)]; s.commit()
    o.note = "later"; s.commit()
    o.items = []; o.customer = None; s.commit()
    s.add_all([User(email="a@x"), User(email="b@x", is_active=False), Counter(name="hits")]); s.commit()
    u = s.scalars(select(User).where(User.email == "a@x")).one(); u.is_active = False; s.commit()
    s.execute(update(User).where(User.id > 1).values(is_active=~User.is_active)); s.commit()
    s.execute(update(User).where(User.email.like("%@x")).values(is_active=case((User.id == 1, True), else_=False)).returning(User.id, User.is_active)); s.commit()
    s.execute(upsert(User).values(id=1, email="z@x", is_active=True).on_conflict_do_update(index_elements=["id"], set_={"is_active": False})); s.commit()
    s.execute(upsert(User).values([{"id": 7, "email": "q"}, {"id": 8, "email": "r"}]).on_conflict_do_nothing()); s.commit()
    st = upsert(Order).values(id=2, items=[item("up")])
    s.execute(st.on_conflict_do_update(index_elements=[Order.id], set_=dict(items=st.excluded["items"])).returning(Order.items)); s.commit()
    s.execute(insert(Order), [{"customer": "bulk", "items": [item("m")]}, {"customer": "bulk", "items": []}]); s.commit()
    s.execute(update(Order), [{"id": 2, "items": [item("n")]}, {"id": 4, "items": [item("o"), item("p")]}]); s.commit()
    c = s.scalars(select(Counter).with_for_update()).first(); c.name = "versioned"; s.commit()
    with s.begin_nested():
        s.add(Order(customer="nested", items=[item("k")]))
    try:
        with s.begin_nested():
            s.add(User(id=1, email="twice")); s.flush()
    except Exception:
        pass
    s.commit()
    s.execute(update(Order).where(Order.id == select(func.max(Order.id)).scalar_subquery()).values(items=func.jsonb_build_array(Order.items[0]))); s.commit()
    s.execute(delete(Order).where(Order.customer == "c0")); s.commit()
    s.delete(s.get(Order, 3)); s.commit()
    s.scalars(select(Order).order_by(Order.id).limit(2)).all(); s.scalar(select(func.count()).select_from(User))
    s.rollback()
with engine.begin() as c:
    c.execute(insert(User.__table__).from_select(["email", "is_active"], select(User.email, User.is_active).where(User.id == 1)))
    cte = update(User.__table__).where(User.id == 2).values(is_active=True).returning(User.id).cte("w")
    c.execute(select(cte.c.id)).all()
