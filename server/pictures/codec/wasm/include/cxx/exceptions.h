/* Nothing is thrown, and so nothing is caught. */
#define try if (true)
#define catch(what) else if (false)
