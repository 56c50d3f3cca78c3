# Peewee 4.5.3, psycopg 3.3.9: save, insert_many, on_conflict, returning, atomic.
import sys
from urllib.parse import urlparse
from peewee import *
d = urlparse(sys.argv[1])
db = PostgresqlDatabase(d.path[1:], user=d.username, host=d.hostname, port=d.port, prefer_psycopg3=True)
class Base(Model):
    class Meta: database = db
class User(Base):
    email = TextField(null=True); is_active = BooleanField(default=True)
    class Meta: table_name = "users"
class Counter(Base):
    n = IntegerField(default=0); name = TextField(null=True)
    class Meta: table_name = "counters"
u = User.create(email="a@x"); u.is_active = False; u.save(); u.save(only=[User.is_active])
User.insert_many([{"email": "b", "is_active": True}, {"email": "c", "is_active": False}]).execute()
User.insert(id=1, email="z", is_active=True).on_conflict(conflict_target=[User.id], update={User.is_active: True}).execute()
User.insert(id=1, email="z").on_conflict_ignore().execute()
User.update(is_active=~User.is_active).where(User.id > 1).execute()
list(User.update(is_active=True).where(User.email == "b").returning(User))
User.get_or_create(email="b"); User.get_or_create(email="new")
with db.atomic():
    Counter.create(name="x")
    with db.atomic() as sp:
        Counter.create(name="y"); sp.rollback()
Counter.update(n=Counter.n + 1).where((Counter.id == 1) & (Counter.n == 0)).execute()
User.delete().where(User.is_active == False).execute(); u.delete_instance()
list(User.select().order_by(User.id)); User.select().count()
User.insert_from(User.select(User.email, User.is_active), [User.email, User.is_active]).execute()
