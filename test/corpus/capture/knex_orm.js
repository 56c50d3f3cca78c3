// Knex 3.3.0, pg 8.23.1: insert, upsert, update with raw, batchInsert, with, transactions.
const knex = require('knex')({ client: 'pg', connection: process.argv[2], pool: { min: 1, max: 1 } });
const item = (sku, qty = 1) => ({ sku, qty, price_cents: 100 * qty });
const J = JSON.stringify;
(async () => {
  await knex('orders').insert({ customer: 'ann', items: J([item('a')]) }).returning('*');
  await knex('orders').insert([{ customer: 'b', items: J([]) }, { customer: 'c', items: J([item('c')]) }], ['id']);
  await knex('orders').insert({ id: 1, items: J([item('m')]) }).onConflict('id').merge(['items']);
  await knex('orders').insert({ id: 1, items: J([]) }).onConflict('id').ignore();
  await knex('orders').insert({ id: 2, customer: 'mm', items: J([item('n')]) }).onConflict('id').merge();
  await knex('orders').where({ id: 1 }).update({ items: knex.raw(`items || ?::jsonb`, [J([item('r')])]) }, ['id', 'items']);
  await knex('orders').where('id', '<', 3).update('items', J([item('s')]));
  await knex('users').insert([{ email: 'a' }, { email: 'b', is_active: false }]);
  await knex('users').update({ is_active: knex.raw('NOT ??', ['is_active']) });
  await knex('users').where({ id: 1 }).update({ is_active: false });
  await knex('counters').insert({ name: 'x' }); await knex('counters').where({ id: 1 }).increment('n', 2);
  await knex.batchInsert('users', [{ email: 'c' }, { email: 'd' }, { email: 'e' }], 2);
  await knex.with('w', knex('users').where({ id: 2 }).update({ is_active: true }).returning('id')).select('*').from('w');
  await knex.transaction(async t => {
    await t('orders').forUpdate().where({ id: 1 }).first();
    await t('orders').where({ id: 1 }).update({ items: J([]) });
    await t.transaction(async n => { await n('users').insert({ id: 1 }); }).catch(() => { });
  });
  await knex.transaction(async t => { await t('users').del(); throw new Error('x'); }).catch(() => { });
  await knex('orders').where({ customer: 'c' }).del(); await knex('users').where({ id: 3 }).delete().returning('*');
  await knex('users').truncate(); await knex('orders').select(); await knex('users').count();
  await knex.destroy();
})();
