/* Exceptions, vectors, destructors.   cc: -x c++ -lstdc++ */
#include <stdexcept>
#include <vector>
#include <string>
#include <algorithm>
#include <cstdio>
int depth, caught;
struct G { int n; G(int x) : n(x) {} ~G() { depth -= n; } };
static int thrower(int n) { G g(1); depth++; if (n == 0) throw std::runtime_error("deep"); return thrower(n - 1) + 1; }
int main() {
	std::vector<int> v;
	for (int i = 0; i < 20; i++) v.push_back((i * 7) % 20);
	std::sort(v.begin(), v.end(), [](int a, int b) { return a > b; });
	for (int i = 0; i < 3; i++) {
		try { thrower(i + 2); } catch (const std::exception &e) { caught += (int)std::string(e.what()).size(); }
	}
	std::printf("%d %d %d\n", caught, depth, v[3]);
	return 0;
}
