// GORM 1.31.1, pgx 5.6.0: Create, Save, CreateInBatches, Clauses(OnConflict), Updates, soft delete, transactions.
package main

import (
	"errors"
	"os"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
)

type item struct {
	SKU        string `json:"sku"`
	Qty        int    `json:"qty"`
	PriceCents int    `json:"price_cents"`
}

type Order struct {
	ID         int64
	Customer   *string
	TotalCents *int
	Items      []item `gorm:"serializer:json"`
	Note       *string
}

type User struct {
	ID       int
	Email    *string
	IsActive bool
}

type Counter struct {
	ID   int
	N    int
	Name *string
}

func must(tx *gorm.DB) {
	if tx.Error != nil {
		panic(tx.Error)
	}
}

func items(skus ...string) []item {
	all := []item{}
	for i, s := range skus {
		all = append(all, item{s, i + 1, 100 * (i + 1)})
	}
	return all
}

func text(s string) *string { return &s }

func main() {
	db, err := gorm.Open(postgres.Open(os.Args[1]), &gorm.Config{Logger: logger.Discard, NowFunc: func() time.Time { return time.Unix(0, 0) }})
	if err != nil {
		panic(err)
	}
	o := Order{Customer: text("ann"), Items: items("a", "b")}
	must(db.Create(&o))
	o.Items = items("a")
	must(db.Save(&o))
	must(db.Model(&o).Update("note", "n"))
	must(db.Model(&o).Select("Items", "Note").Updates(Order{Items: items("x", "y", "z")}))
	must(db.Create(&[]Order{{Items: items("b1")}, {Items: items()}, {Items: items("b2", "b3")}}))
	must(db.CreateInBatches([]Order{{Items: items("c1")}, {Items: items("c2")}, {Items: items("c3")}}, 2))
	must(db.Save(&Order{ID: 2, Items: items("saved")}))
	must(db.Save(&Order{ID: 50, Items: items("new")}))
	must(db.Clauses(clause.OnConflict{DoNothing: true}).Create(&Order{ID: 3, Items: items("no")}))
	must(db.Clauses(clause.OnConflict{UpdateAll: true}).Create(&Order{ID: 3, Items: items("all")}))
	must(db.Clauses(clause.OnConflict{Columns: []clause.Column{{Name: "id"}}, DoUpdates: clause.AssignmentColumns([]string{"items"})}).Create(&[]Order{{ID: 3, Items: items("up")}, {ID: 4, Items: items()}}))
	must(db.Model(&Order{}).Where("id < ?", 3).Update("items", gorm.Expr(`items || '[{"sku":"e"}]'`)))
	var back []Order
	must(db.Model(&back).Clauses(clause.Returning{}).Where("id = ?", 4).Update("items", gorm.Expr("items - 0")))
	u := User{Email: text("a"), IsActive: true}
	must(db.Create(&u))
	must(db.Create(&[]User{{Email: text("b")}, {Email: text("c"), IsActive: true}}))
	u.IsActive = false
	must(db.Save(&u))
	must(db.Model(&u).Updates(map[string]any{"is_active": true, "email": "z"}))
	must(db.Model(&User{}).Where("email IN ?", []string{"b", "c"}).Update("is_active", gorm.Expr("NOT is_active")))
	must(db.Model(&u).UpdateColumn("is_active", false))
	must(db.Where(User{Email: text("f")}).Attrs(User{IsActive: true}).FirstOrCreate(&User{}))
	must(db.Where(User{Email: text("f")}).Assign(User{IsActive: true}).FirstOrCreate(&User{}))
	c := Counter{Name: text("hits")}
	must(db.Create(&c))
	must(db.Model(&c).Where("n = ?", 0).Updates(map[string]any{"n": gorm.Expr("n + ?", 1), "name": "optimistic"}))
	err = db.Transaction(func(tx *gorm.DB) error {
		var locked []Order
		must(tx.Clauses(clause.Locking{Strength: "UPDATE"}).Order("id").Limit(2).Find(&locked))
		must(tx.Model(&locked[0]).Update("items", gorm.Expr("'[]'::jsonb")))
		_ = tx.Transaction(func(inner *gorm.DB) error { return inner.Create(&User{ID: 1}).Error })
		return tx.Create(&User{Email: text("inside")}).Error
	})
	if err != nil {
		panic(err)
	}
	_ = db.Transaction(func(tx *gorm.DB) error {
		must(tx.Create(&Order{Items: items("gone")}))
		return errors.New("rolled back")
	})
	must(db.Where("id = ?", 5).Delete(&Order{}))
	must(db.Clauses(clause.Returning{}).Where("is_active").Delete(&[]User{}))
	must(db.Order("id").Find(&back))
	var n int64
	must(db.Model(&User{}).Count(&n))
	must(db.Raw("WITH w AS (UPDATE users SET is_active = ? RETURNING id) SELECT count(*) FROM w", true).Scan(&n))
}
