run
frame function check
print *p
print (double) p->parcels / p->crates
watch -l p->per_crate
reverse-continue
print types[i]
watch -l types[i].per_crate
reverse-continue
backtrace
print per_crate
delete
break number
reverse-continue
print text
finish
