// TypeORM 1.1.1, pg 8.23.1: save, insert, upsert, update, query builder, soft delete by hand, transactions.
require('reflect-metadata');
const { DataSource, EntitySchema, In } = require('typeorm');
const Order = new EntitySchema({ name: 'Order', tableName: 'orders', columns: { id: { type: 'bigint', primary: true, generated: true }, customer: { type: 'text', nullable: true }, total_cents: { type: 'int', nullable: true }, items: { type: 'jsonb' }, note: { type: 'text', nullable: true } } });
const User = new EntitySchema({ name: 'User', tableName: 'users', columns: { id: { type: 'int', primary: true, generated: true }, email: { type: 'text', nullable: true }, is_active: { type: 'boolean', default: true } } });
const Counter = new EntitySchema({ name: 'Counter', tableName: 'counters', columns: { id: { type: 'int', primary: true, generated: true }, n: { type: 'int', default: 0, version: true }, name: { type: 'text', nullable: true } } });
const item = (sku, qty = 1) => ({ sku, qty, price_cents: 100 * qty });
(async () => {
  const ds = await new DataSource({ type: 'postgres', url: process.argv[2], entities: [Order, User, Counter], poolSize: 1, installExtensions: false }).initialize();
  const orders = ds.getRepository(Order), users = ds.getRepository(User), counters = ds.getRepository(Counter);
  const o = await orders.save({ customer: 'ann', items: [item('a'), item('b')] });
  o.items = [item('a', 9)]; await orders.save(o); o.note = 'n'; await orders.save(o);
  await orders.save([{ customer: 'b', items: [] }, { customer: 'c', items: [item('z')] }]);
  await orders.insert([{ customer: 'i', items: [item('i')] }, { customer: 'j', items: [item('j')] }]);
  await orders.upsert({ id: 2, customer: 'up', items: [item('u')] }, ['id']);
  await orders.upsert([{ id: 40, items: [item('v')] }, { id: 3, items: [] }], { conflictPaths: ['id'], skipUpdateIfNoValuesChanged: true });
  await orders.update({ customer: 'i' }, { items: [item('k')] });
  await orders.createQueryBuilder().update().set({ items: () => `items || '[{"sku":"w"}]'` }).where('id = :id', { id: 2 }).returning('*').execute();
  const u = await users.save({ email: 'a@x' }); u.is_active = false; await users.save(u);
  await users.insert({ email: 'b', is_active: false }); await users.update({ id: In([1, 2]) }, { is_active: true });
  await users.createQueryBuilder().insert().values({ id: 1, email: 'x' }).orIgnore().execute();
  await users.createQueryBuilder().insert().values({ id: 1, email: 'x', is_active: false }).orUpdate(['is_active'], ['id']).execute();
  await counters.save({ name: 'hits' }); const c = await counters.findOneBy({ id: 1 }); c.name = 'two'; await counters.save(c);
  await counters.increment({ id: 1 }, 'n', 3);
  await ds.transaction(async m => {
    await m.findOne(Order, { where: { id: 2 }, lock: { mode: 'pessimistic_write' } });
    await m.save(User, { email: 't', is_active: false });
    try { await m.transaction(async n => { await n.insert(User, { id: 1 }); }); } catch (e) { }
  });
  try { await ds.transaction(async m => { await m.save(Order, { items: [item('gone')] }); throw new Error('x'); }); } catch (e) { }
  await orders.delete({ customer: 'j' }); await orders.remove(await orders.findOneBy({ id: 3 }));
  await users.find({ order: { id: 'ASC' } }); await orders.count();
  await ds.destroy();
})();
