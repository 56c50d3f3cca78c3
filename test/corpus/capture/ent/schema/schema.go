// Package schema has the canonical tables as ent declares them.
package schema

import (
	"time"

	"entgo.io/ent"
	"entgo.io/ent/dialect"
	"entgo.io/ent/dialect/entsql"
	"entgo.io/ent/schema"
	"entgo.io/ent/schema/field"
)

type Item struct {
	SKU        string `json:"sku"`
	Qty        int    `json:"qty"`
	PriceCents int    `json:"price_cents"`
}

type Order struct{ ent.Schema }

func (Order) Annotations() []schema.Annotation {
	return []schema.Annotation{entsql.Table("orders")}
}

func (Order) Fields() []ent.Field {
	return []ent.Field{
		field.Int64("id"),
		field.String("customer").Optional().Nillable(),
		field.Int("total_cents").Optional().Nillable(),
		field.JSON("items", []Item{}).Default([]Item{}),
		field.String("note").Optional().Nillable(),
		field.Time("updated_at").Default(epoch).UpdateDefault(epoch).SchemaType(map[string]string{dialect.Postgres: "timestamptz"}),
	}
}

func epoch() time.Time { return time.Unix(0, 0).UTC() }

type User struct{ ent.Schema }

func (User) Annotations() []schema.Annotation {
	return []schema.Annotation{entsql.Table("users")}
}

func (User) Fields() []ent.Field {
	return []ent.Field{
		field.Int("id"),
		field.String("email").Optional().Nillable(),
		field.Bool("is_active").Default(true),
	}
}

type Counter struct{ ent.Schema }

func (Counter) Annotations() []schema.Annotation {
	return []schema.Annotation{entsql.Table("counters")}
}

func (Counter) Fields() []ent.Field {
	return []ent.Field{
		field.Int("id"),
		field.Int("n").Default(0),
		field.String("name").Optional().Nillable(),
	}
}
