// Sequelize 6.37.8, pg 8.23.1: create, save, bulkCreate, upsert, increment, findOrCreate, version, transactions.
const { Sequelize, DataTypes, Op, literal } = require('sequelize');
const db = new Sequelize(process.argv[2], { logging: false, pool: { max: 1 } });
const opt = { timestamps: false };
const Order = db.define('Order', { id: { type: DataTypes.BIGINT, primaryKey: true, autoIncrement: true }, customer: DataTypes.TEXT, total_cents: DataTypes.INTEGER, items: DataTypes.JSONB, note: DataTypes.TEXT }, { ...opt, tableName: 'orders' });
const User = db.define('User', { email: DataTypes.TEXT, is_active: { type: DataTypes.BOOLEAN, defaultValue: true } }, { ...opt, tableName: 'users' });
const Counter = db.define('Counter', { n: { type: DataTypes.INTEGER, defaultValue: 0 }, name: DataTypes.TEXT }, { ...opt, tableName: 'counters', version: 'n' });
const item = (sku, qty = 1) => ({ sku, qty, price_cents: 100 * qty });
(async () => {
  const o = await Order.create({ customer: 'ann', items: [item('a'), item('b', 2)] });
  o.items = [item('a', 4)]; await o.save();
  await o.update({ note: 'x' }); await o.update({ items: [], note: null });
  await Order.bulkCreate([1, 2, 3].map(i => ({ customer: 'c' + i, items: [item('x', i)] })), { returning: true });
  await Order.bulkCreate([{ id: 2, items: [item('up')] }], { updateOnDuplicate: ['items'] });
  await Order.bulkCreate([{ id: 2, items: [] }], { ignoreDuplicates: true });
  await Order.upsert({ id: 3, customer: 'up', items: [item('s')] });
  await Order.upsert({ id: 30, customer: 'new', items: [item('t')] }, { returning: false });
  await Order.update({ items: [item('q')] }, { where: { customer: { [Op.like]: 'c%' } } });
  await Order.update({ items: literal(`items || '[{"sku":"z"}]'`) }, { where: { id: 3 }, returning: true });
  const u = await User.create({ email: 'a@x' }); u.is_active = false; await u.save();
  await User.bulkCreate([{ email: 'b', is_active: false }, { email: 'c' }]);
  await User.update({ is_active: true }, { where: { id: [1, 2] } });
  await User.findOrCreate({ where: { email: 'f' }, defaults: { is_active: false } });
  await User.findOrCreate({ where: { email: 'f' }, defaults: { is_active: true } });
  const c = await Counter.create({ name: 'hits' }); c.name = 'v'; await c.save();
  await c.increment('n', { by: 2 }); await Counter.increment({ n: 1 }, { where: { id: 1 } });
  await db.transaction(async t => {
    await Order.findAll({ lock: t.LOCK.UPDATE, transaction: t, order: ['id'], limit: 2 });
    await User.update({ is_active: false }, { where: {}, transaction: t });
    try { await db.transaction({ transaction: t }, async t2 => { await User.create({ id: 1, email: 'twice' }, { transaction: t2 }); }); } catch (e) { }
  });
  try { await db.transaction(async t => { await Order.create({ items: [item('gone')] }, { transaction: t }); throw new Error('x'); }); } catch (e) { }
  await Order.destroy({ where: { customer: 'c1' } }); await o.destroy();
  await User.findAll({ order: ['id'] }); await Order.count(); await User.findByPk(1);
  await db.close();
})();
