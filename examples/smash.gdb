run
backtrace 3
x/i $pc
x/s $sp
watch -l *(long *) $sp
reverse-continue
backtrace 2
print n
print run
up
print sizeof pixels
