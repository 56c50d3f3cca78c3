package rewrite

import (
	pg_query "github.com/pganalyze/pg_query_go/v5"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// node is any message of a parse tree.
type node = proto.Message

// walk calls visit for every message of a parse tree, parents first. It goes
// by reflection, so that no kind of node, known or new, is passed over.
func walk(tree node, visit func(node)) {
	walkMessage(tree.ProtoReflect(), visit)
}

func walkMessage(m protoreflect.Message, visit func(node)) {
	visit(m.Interface())
	if again(m.Interface()) {
		return
	}
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		if field.Kind() != protoreflect.MessageKind {
			return true
		}
		if field.IsList() {
			items := value.List()
			for i := range items.Len() {
				walkMessage(items.Get(i).Message(), visit)
			}
			return true
		}
		walkMessage(value.Message(), visit)
		return true
	})
}

// again reports whether what is below n is elsewhere in the tree, too: of
// (a, b) = (..) each assignment has the right side.
func again(n node) bool {
	ref, ok := n.(*pg_query.MultiAssignRef)
	return ok && ref.Colno > 1
}
