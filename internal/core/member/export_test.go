package member

// Relineage gives a changed view the lineage that it would have after older.
func Relineage(v, older *View) { v.Lineage = v.hash(older.Lineage) }
