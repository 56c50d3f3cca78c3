# ActiveRecord 6.1.7.10, pg 1.4.5: create, save, update_columns, insert_all, upsert_all, update_all, toggle!, optimistic locking, lock, destroy, transactions.
require "active_record"
ActiveRecord::Base.establish_connection(ARGV[0].sub("postgres://", "postgresql://"))
class Order < ActiveRecord::Base
  self.record_timestamps = false
end
class User < ActiveRecord::Base; end
class Counter < ActiveRecord::Base
  self.locking_column = :n
end
def items(*skus) = skus.each_with_index.map { |sku, i| { sku: sku, qty: i + 1, price_cents: 100 * (i + 1) } }
def expect(error)
  yield
  abort "no #{error}"
rescue error
end

o = Order.create!(customer: "ann", items: items("a", "b"))
o.update!(items: items("a"), note: "n")
o.items += items("more"); o.save!
o.update_columns(total_cents: 7)
o.increment!(:total_cents, 5)
Order.create!([{ customer: "b" }, { items: items("c", "d", "e") }])
Order.insert_all!([{ customer: "i1", items: items("i") }, { customer: "i2", items: [] }], returning: %w[id customer])
Order.insert_all([{ id: 2, items: items("no") }, { id: 40, items: items("yes") }], unique_by: :id)
Order.upsert_all([{ id: 2, customer: "up", items: items("u") }, { id: 50, customer: "new", items: items("v", "w") }], unique_by: :id)
Order.upsert({ id: 3, items: [] })
Order.update_all(updated_at: Time.at(0)) # both upserts have set it to the time of the transaction
Order.where(customer: "i1").update_all(items: items("k"))
Order.where(id: 1..2).update_all("items = items || '[{\"sku\": \"all\"}]'")
Order.where("id > ?", 2).order(:id).limit(1).update_all(note: "first")
Order.in_batches(of: 2).update_all(note: "batch")
u = User.create!(email: "a@x")
u.toggle!(:is_active)
u.update!(email: "z@x", is_active: true)
u.update_attribute(:is_active, false)
User.insert_all([{ email: "b@x", is_active: false }, { email: "c@x", is_active: true }])
User.where(email: %w[b@x c@x]).update_all(is_active: true)
User.update_all("is_active = NOT is_active")
User.find_or_create_by!(email: "f@x")
User.find_or_create_by!(email: "f@x") { |user| user.is_active = false }
User.update([1, 2], [{ is_active: true }, { is_active: false }])
c = Counter.create!(name: "hits")
stale = Counter.find(c.id)
c.update!(name: "seen")
expect(ActiveRecord::StaleObjectError) { stale.update!(name: "lost") }
Counter.update_counters(c.id, n: 3)
expect(ActiveRecord::StaleObjectError) { c.destroy! }
c.reload.destroy!
Order.transaction do
  locked = Order.lock.find(2)
  locked.update!(items: items("locked"))
  expect(ActiveRecord::RecordNotUnique) { Order.transaction(requires_new: true) { User.create!(id: 1, email: "twice@x") } }
  Order.transaction(requires_new: true) { User.create!(email: "inside@x", is_active: false) }
  locked.with_lock { locked.update!(note: "with_lock") }
end
Order.transaction do
  Order.create!(items: items("gone"))
  raise ActiveRecord::Rollback
end
Order.find(3).destroy!
Order.delete(40)
Order.where(customer: nil).delete_all
User.where(is_active: false).order(:id).limit(1).delete_all
User.destroy_by(email: "f@x")
Order.order(:id).to_a
User.where(is_active: true).count
User.exists?(email: "z@x")
