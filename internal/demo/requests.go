package demo

// requests is what the application does all day, with its proportions.
func requests() []request {
	return []request{
		{name: "read order", weight: 20, steady: true, run: readOrder},
		{name: "list orders", weight: 10, steady: true, run: listOrders},
		{name: "insert order", weight: 8, steady: true, run: insertOrder},
		{name: "insert empty order", weight: 2, steady: true, run: insertEmptyOrder},
		{name: "insert orders", weight: 3, run: insertOrders},
		{name: "reorder", weight: 2, run: reorder},
		{name: "upsert order", weight: 4, run: upsertOrder},
		{name: "change order", weight: 12, steady: true, run: changeOrder},
		{name: "delete order", weight: 8, run: deleteOrder},
		{name: "checkout", weight: 5, run: checkout},
		{name: "regret", weight: 2, run: regret},
		{name: "second thoughts", weight: 3, run: secondThoughts},
		{name: "hot orders", weight: 5, run: hotOrders},
		{name: "old order", weight: 6, run: oldOrder},
		{name: "pipeline orders", weight: 5, run: pipelineOrders},

		{name: "read user", weight: 8, steady: true, run: readUser},
		{name: "insert user", weight: 4, steady: true, run: insertUser},
		{name: "change user", weight: 8, steady: true, run: changeUser},
		{name: "upsert user", weight: 2, run: upsertUser},
		{name: "delete user", weight: 3, run: deleteUser},
		{name: "old user", weight: 5, run: oldUser},

		{name: "read counter", weight: 6, steady: true, run: readCounter},
		{name: "insert counter", weight: 3, steady: true, run: insertCounter},
		{name: "insert counters", weight: 1, run: insertCounters},
		{name: "count up", weight: 8, steady: true, run: countUp},
		{name: "count hot", weight: 5, run: countHot},
		{name: "delete counter", weight: 3, run: deleteCounter},
		{name: "renumber", weight: 1, run: renumber},
	}
}
