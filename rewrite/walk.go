package rewrite

import (
	pg_query "github.com/pganalyze/pg_query_go/v5"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// node is any message of a parse tree.
type node = proto.Message

// walk calls visit for every message of a parse tree, parents first, in the order of
// below.
func walk(tree node, visit func(node)) {
	var each func(m protoreflect.Message)
	each = func(m protoreflect.Message) {
		visit(m.Interface())
		if !again(m.Interface()) {
			below(m, each)
		}
	}
	each(tree.ProtoReflect())
}

// below calls visit for the messages that m has, in the order in which the grammar
// declares its fields: what is found first is the same in every process, as it
// would not be by Message.Range. It goes by reflection, so that no kind of node,
// known or new, is passed over.
func below(m protoreflect.Message, visit func(protoreflect.Message)) {
	fields := m.Descriptor().Fields()
	if choices := m.Descriptor().Oneofs(); choices.Len() == 1 && choices.Get(0).Fields().Len() == fields.Len() {
		if chosen := m.WhichOneof(choices.Get(0)); chosen != nil { // a Node
			belowField(m, chosen, visit)
		}
		return
	}
	for i := range fields.Len() {
		belowField(m, fields.Get(i), visit)
	}
}

func belowField(m protoreflect.Message, field protoreflect.FieldDescriptor, visit func(protoreflect.Message)) {
	switch {
	case field.Kind() != protoreflect.MessageKind || !m.Has(field):
	case field.IsList():
		items := m.Get(field).List()
		for i := range items.Len() {
			visit(items.Get(i).Message())
		}
	default:
		visit(m.Get(field).Message())
	}
}

// again reports whether what is below n is elsewhere in the tree, too: of
// (a, b) = (..) each assignment has the right side.
func again(n node) bool {
	ref, ok := n.(*pg_query.MultiAssignRef)
	return ok && ref.Colno > 1
}
