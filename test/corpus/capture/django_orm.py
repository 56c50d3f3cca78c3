# Django 5.2.19, psycopg 3.3.9: save, bulk_create, bulk_update, update_or_create, F, select_for_update, atomic.
import sys
from urllib.parse import urlparse
import django
from django.conf import settings
d = urlparse(sys.argv[1])
settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.postgresql", "NAME": d.path[1:], "USER": d.username, "HOST": d.hostname, "PORT": d.port}}, DEFAULT_AUTO_FIELD="django.db.models.BigAutoField", USE_TZ=True)
django.setup()
from django.db import models, transaction, IntegrityError
from django.db.models import F, Q, Case, When, Value, Count

class Order(models.Model):
    customer = models.TextField(null=True); total_cents = models.IntegerField(null=True); items = models.JSONField(default=list); note = models.TextField(null=True)
    class Meta: app_label = "x"; db_table = "orders"
class User(models.Model):
    id = models.AutoField(primary_key=True); email = models.TextField(null=True); is_active = models.BooleanField(default=True)
    class Meta: app_label = "x"; db_table = "users"
class Counter(models.Model):
    id = models.AutoField(primary_key=True); n = models.IntegerField(default=0); name = models.TextField(null=True)
    class Meta: app_label = "x"; db_table = "counters"

item = lambda sku, qty=1: {"sku": sku, "qty": qty, "price_cents": 100 * qty}
o = Order.objects.create(customer="ann", items=[item("a"), item("b", 2)])
o.items = [item("a", 5)]; o.save()
o.note = "n"; o.save(update_fields=["note"])
o.items = []; o.save(update_fields=["items", "note"])
Order.objects.bulk_create([Order(customer=f"c{i}", items=[item("x", i)]) for i in range(4)])
Order.objects.bulk_create([Order(id=2, items=[item("dup")])], ignore_conflicts=True)
Order.objects.bulk_create([Order(id=2, items=[item("up")])], update_conflicts=True, unique_fields=["id"], update_fields=["items"])
many = list(Order.objects.order_by("id")[:3])
for m in many: m.items = m.items + [item("more")]
Order.objects.bulk_update(many, ["items", "note"])
Order.objects.filter(id=3).update(items=[item("q")], total_cents=F("id") + 1)
Order.objects.get_or_create(customer="who", defaults={"items": [item("g")]})
Order.objects.get_or_create(customer="who", defaults={"items": [item("h")]})
Order.objects.update_or_create(customer="who", defaults={"items": [item("u")]})
User.objects.create(email="a@x"); User(email="b@x", is_active=False).save()
u = User.objects.get(email="a@x"); u.is_active = False; u.save()
User.objects.filter(pk=u.pk).update(is_active=Case(When(is_active=True, then=Value(False)), default=Value(True)))
User.objects.filter(Q(email__contains="x") & Q(is_active=True)).update(is_active=False)
User.objects.exclude(is_active=True).delete()
User.objects.update_or_create(id=5, defaults={"email": "five", "is_active": True})
c = Counter.objects.create(name="hits")
Counter.objects.filter(pk=c.pk, n=c.n).update(n=F("n") + 1, name="optimistic")
with transaction.atomic():
    for x in Order.objects.select_for_update().filter(id__lt=3): x.items = []; x.save()
    try:
        with transaction.atomic(): User.objects.create(id=5, email="twice")
    except IntegrityError: pass
    User.objects.create(email="inside")
try:
    with transaction.atomic():
        Order.objects.create(items=[item("gone")]); raise ValueError
except ValueError: pass
Order.objects.filter(customer="c1").delete(); o.delete()
list(Order.objects.values("id", "items").order_by("id")); User.objects.aggregate(Count("id")); Order.objects.filter(items__0__sku="u").exists()
