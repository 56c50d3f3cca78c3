package rewrite

import (
	pg_query "github.com/pganalyze/pg_query_go/v5"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// node is any message of a parse tree.
type node = proto.Message

// walk calls visit for every message of a parse tree, parents first, and the
// fields of each in the order in which the grammar declares them: what is found first
// is the same in every process, as it would not be by Message.Range. It goes by
// reflection, so that no kind of node, known or new, is passed over.
func walk(tree node, visit func(node)) {
	walkMessage(tree.ProtoReflect(), visit)
}

func walkMessage(m protoreflect.Message, visit func(node)) {
	visit(m.Interface())
	if again(m.Interface()) {
		return
	}
	fields := m.Descriptor().Fields()
	if choices := m.Descriptor().Oneofs(); choices.Len() == 1 && choices.Get(0).Fields().Len() == fields.Len() {
		if chosen := m.WhichOneof(choices.Get(0)); chosen != nil { // a Node
			walkField(m, chosen, visit)
		}
		return
	}
	for i := range fields.Len() {
		walkField(m, fields.Get(i), visit)
	}
}

func walkField(m protoreflect.Message, field protoreflect.FieldDescriptor, visit func(node)) {
	switch {
	case field.Kind() != protoreflect.MessageKind || !m.Has(field):
	case field.IsList():
		items := m.Get(field).List()
		for i := range items.Len() {
			walkMessage(items.Get(i).Message(), visit)
		}
	default:
		walkMessage(m.Get(field).Message(), visit)
	}
}

// again reports whether what is below n is elsewhere in the tree, too: of
// (a, b) = (..) each assignment has the right side.
func again(n node) bool {
	ref, ok := n.(*pg_query.MultiAssignRef)
	return ok && ref.Colno > 1
}
